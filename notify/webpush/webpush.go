// Package webpush owns how a push reaches a browser or an app: it encrypts what is said for that one device (RFC 8291),
// says who speaks (RFC 8292) and hands it to the push service (RFC 8030). It never decides that somebody is told
// something, and what it says is so little that nobody on the way learns more than that there is something.
package webpush

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/postern-id/postern/egress"
)

var (
	// ErrGone says that the subscription is no more: nothing will ever be delivered to it. RFC 8030 §7.3.
	ErrGone = errors.New("webpush: the subscription is gone")
	// ErrTarget says that this is no subscription.
	ErrTarget = errors.New("webpush: not a subscription")
	// ErrRefused says that the push service did not take the message.
	ErrRefused = errors.New("webpush: not taken")
)

// Life is for how long a push service keeps what it cannot deliver at once: that of a request for approval.
const Life = 2 * time.Minute

// tokenLife is that of the assertion for a push service; RFC 8292 §2 allows a day.
const tokenLife = time.Hour

// maxMessage is the length of a message in bytes at most: what remains of the 4096 that every push service takes.
const maxMessage = 3800

// Options of a Sender. All are needed.
type Options struct {
	Egress  *egress.Client
	Secret  []byte // at least 32 bytes, the same for ever: browsers bind their subscriptions to the key that is made of it
	Subject string // https: or mailto: where the operator is found, RFC 8292 §2.1
	Now     func() time.Time
	Rand    io.Reader
}

// Sender sends pushes. It is safe for concurrent use.
type Sender struct {
	opt    Options
	key    *ecdsa.PrivateKey
	public string
}

// New returns a Sender.
func New(o Options) (*Sender, error) {
	key, err := vapidKey(o.Secret)
	if err != nil {
		return nil, err
	}
	point, err := key.PublicKey.Bytes()
	if err != nil {
		return nil, fmt.Errorf("webpush: key: %w", err)
	}
	return &Sender{opt: o, key: key, public: base64.RawURLEncoding.EncodeToString(point)}, nil
}

// PublicKey is the applicationServerKey that browsers subscribe with: an uncompressed point in base64url. RFC 8292 §3.2.
func (s *Sender) PublicKey() string { return s.public }

// vapidKey makes a P-256 key of a secret. FIPS 186-5 A.2.1: 64 bits more than the order has, so that none is preferred.
func vapidKey(secret []byte) (*ecdsa.PrivateKey, error) {
	if len(secret) < 32 {
		return nil, errors.New("webpush: the secret is too short")
	}
	wide, err := hkdf.Key(sha256.New, secret, nil, "postern vapid P-256", 40)
	if err != nil {
		return nil, fmt.Errorf("webpush: key: %w", err)
	}
	order := new(big.Int).Sub(elliptic.P256().Params().N, big.NewInt(1))
	d := new(big.Int).Mod(new(big.Int).SetBytes(wide), order)
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), d.Add(d, big.NewInt(1)).FillBytes(make([]byte, 32)))
	if err != nil {
		return nil, fmt.Errorf("webpush: key: %w", err)
	}
	return key, nil
}

// Target is a subscription. Without keys nothing can be said, and a push only wakes: what an app asks for.
type Target struct {
	Endpoint string
	P256DH   string // base64url, of the browser
	Auth     string
}

// Send hands message to the push service of to. topic, at most 32 characters of base64url, lets a later push take the place
// of one that was not delivered yet; "" is none. ErrGone, ErrTarget, ErrRefused with the status, or what the network says.
func (s *Sender) Send(ctx context.Context, to Target, message []byte, topic string) error {
	authorization, err := s.authorization(to.Endpoint)
	if err != nil {
		return err
	}
	h := http.Header{"Authorization": {authorization}, "Ttl": {strconv.Itoa(int(Life / time.Second))}, "Urgency": {"high"}}
	if topic != "" {
		h.Set("Topic", topic)
	}
	var body []byte
	if to.P256DH != "" || to.Auth != "" {
		if body, err = s.seal(to, message); err != nil {
			return err
		}
		h.Set("Content-Encoding", "aes128gcm")
		h.Set("Content-Type", "application/octet-stream")
	}
	status, _, err := s.opt.Egress.Send(ctx, to.Endpoint, h, body)
	switch {
	case err != nil:
		return fmt.Errorf("webpush: %w", err)
	case status == http.StatusNotFound || status == http.StatusGone:
		return ErrGone
	case status < 200 || status > 299:
		return fmt.Errorf("%w: %d", ErrRefused, status)
	}
	return nil
}

// authorization says to the push service of endpoint who we are. RFC 8292 §2, §3.
func (s *Sender) authorization(endpoint string) (string, error) {
	u, err := url.Parse(endpoint)
	if err != nil || u.Scheme == "" || u.Host == "" {
		return "", ErrTarget
	}
	claims, err := json.Marshal(struct {
		Aud string `json:"aud"`
		Exp int64  `json:"exp"`
		Sub string `json:"sub"`
	}{u.Scheme + "://" + u.Host, s.opt.Now().Add(tokenLife).Unix(), s.opt.Subject})
	if err != nil {
		return "", fmt.Errorf("webpush: %w", err)
	}
	b64 := base64.RawURLEncoding
	input := b64.EncodeToString([]byte(`{"typ":"JWT","alg":"ES256"}`)) + "." + b64.EncodeToString(claims)
	sum := sha256.Sum256([]byte(input))
	r, v, err := ecdsa.Sign(s.opt.Rand, s.key, sum[:])
	if err != nil {
		return "", fmt.Errorf("webpush: sign: %w", err)
	}
	sig := make([]byte, 64) // RFC 7518 §3.4
	r.FillBytes(sig[:32])
	v.FillBytes(sig[32:])
	return "vapid t=" + input + "." + b64.EncodeToString(sig) + ", k=" + s.public, nil
}
