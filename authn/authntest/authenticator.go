package authntest

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"testing"
)

// Flags of authenticator data. WebAuthn L3 §6.1.
const (
	FlagUP byte = 1 << 0
	FlagUV byte = 1 << 2
	FlagBE byte = 1 << 3
	FlagBS byte = 1 << 4
	FlagAT byte = 1 << 6
)

// COSE algorithms.
const (
	EdDSA int64 = -8
	ES256 int64 = -7
	RS256 int64 = -257
)

// Authenticator is browser and authenticator in one, in software. It does what a good one does, unless a tweak of the
// Ceremony makes it lie.
type Authenticator struct {
	Origin   string    // Origin of this package
	Alg      int64     // ES256
	AAGUID   [16]byte  // none
	Synced   bool      // its passkeys are copied to other devices, and never count
	Attester *Attester // attests its make, where it is asked to; nil for none
	keys     []*softKey
}

type softKey struct {
	id, user []byte
	rp       string
	count    uint32
	signer   crypto.Signer
}

// Ceremony is what an Authenticator is about to say; a tweak may change any of it before it is signed.
type Ceremony struct {
	Type        string // of client data
	Challenge   string // base64url
	Origin      string
	CrossOrigin bool
	TopOrigin   string // "" for none
	RPID        string
	Flags       byte
	Count       uint32
	ID          []byte // credential id
	UserHandle  []byte // nil for none
	AAGUID      [16]byte
	PublicKey   []byte              // COSE_Key; at registration only
	SelfAttest  bool                // sign with the passkey itself in format packed
	Format      string              // of attestation; "" for what is right
	Statement   []byte              // CBOR; nil for what is right
	Sign        func([]byte) []byte // the signature of an assertion; nil for what is right
	Encode      func([]byte) []byte // what becomes of that signature; nil for nothing
	Extensions  map[string]any      // results of client extensions
}

type softOptions struct {
	Challenge string `json:"challenge"`
	RPID      string `json:"rpId"`
	RP        struct {
		ID string `json:"id"`
	} `json:"rp"`
	User struct {
		ID string `json:"id"`
	} `json:"user"`
	Allow []struct {
		ID string `json:"id"`
	} `json:"allowCredentials"`
	Exclude []struct {
		ID string `json:"id"`
	} `json:"excludeCredentials"`
	Params []struct {
		Alg int64 `json:"alg"`
	} `json:"pubKeyCredParams"`
	Attestation string `json:"attestation"`
}

var b64u = base64.RawURLEncoding

func read(t testing.TB, options []byte) softOptions {
	t.Helper()
	var o softOptions
	if err := json.Unmarshal(options, &o); err != nil {
		t.Fatalf("authntest: options: %v", err)
	}
	return o
}

// Register answers creation options with a new passkey: the JSON of PublicKeyCredential.toJSON.
func (a *Authenticator) Register(t testing.TB, options []byte, tweaks ...func(*Ceremony)) []byte {
	t.Helper()
	o := read(t, options)
	for _, e := range o.Exclude {
		if id, _ := b64u.DecodeString(e.ID); a.find(id) != nil {
			t.Fatal("authntest: InvalidStateError: this authenticator has a passkey of the account")
		}
	}
	k := &softKey{id: random(t, 32), rp: o.RP.ID}
	k.user, _ = b64u.DecodeString(o.User.ID)
	var cose []byte
	k.signer, cose = a.generate(t)
	c := &Ceremony{
		Type: "webauthn.create", Challenge: o.Challenge, Origin: a.origin(), RPID: o.RP.ID, Flags: FlagUP | FlagUV | FlagAT,
		ID: k.id, AAGUID: a.AAGUID, PublicKey: cose, Extensions: map[string]any{"credProps": map[string]any{"rk": true}},
	}
	if a.Synced {
		c.Flags |= FlagBE | FlagBS
	}
	for _, tweak := range tweaks {
		tweak(c)
	}
	k.id = c.ID
	a.keys = append(a.keys, k)
	data := append(c.authData(), c.AAGUID[:]...)
	data = append(binary.BigEndian.AppendUint16(data, uint16(len(c.ID))), c.ID...)
	data = append(data, c.PublicKey...)
	client := c.clientData(t)
	format, statement := "none", cborMap()
	hash := sha256.Sum256(client)
	switch signed := append(bytes.Clone(data), hash[:]...); {
	case c.SelfAttest:
		format, statement = "packed", cborMap(cborText("alg"), cborInt(a.alg()), cborText("sig"), cborBytes(sign(t, k.signer, signed)))
	case a.Attester != nil && o.Attestation != "none":
		format, statement = "packed", a.Attester.statement(t, signed)
	}
	if c.Format != "" {
		format = c.Format
	}
	if c.Statement != nil {
		statement = c.Statement
	}
	object := cborMap(cborText("fmt"), cborText(format), cborText("attStmt"), statement, cborText("authData"), cborBytes(data))
	return a.credential(t, c, map[string]any{
		"clientDataJSON": b64u.EncodeToString(client), "attestationObject": b64u.EncodeToString(object),
		"authenticatorData": b64u.EncodeToString(data), "publicKeyAlgorithm": a.alg(), "transports": []string{"internal", "hybrid"},
	})
}

// Assert answers request options with a passkey that they allow, the newest one: the JSON of PublicKeyCredential.toJSON.
func (a *Authenticator) Assert(t testing.TB, options []byte, tweaks ...func(*Ceremony)) []byte {
	t.Helper()
	o := read(t, options)
	var k *softKey
	for _, have := range a.keys {
		allowed := len(o.Allow) == 0
		for _, e := range o.Allow {
			id, _ := b64u.DecodeString(e.ID)
			allowed = allowed || bytes.Equal(id, have.id)
		}
		if allowed && have.rp == o.RPID {
			k = have
		}
	}
	if k == nil {
		t.Fatal("authntest: NotAllowedError: no passkey here is allowed")
	}
	return a.AssertWith(t, k.id, options, tweaks...)
}

// AssertWith is Assert with the passkey of a credential id, whether it is allowed or not.
func (a *Authenticator) AssertWith(t testing.TB, id, options []byte, tweaks ...func(*Ceremony)) []byte {
	t.Helper()
	o, k := read(t, options), a.find(id)
	if k == nil {
		t.Fatal("authntest: no such passkey here")
	}
	if !a.Synced {
		k.count++
	}
	c := &Ceremony{
		Type: "webauthn.get", Challenge: o.Challenge, Origin: a.origin(), RPID: o.RPID, Flags: FlagUP | FlagUV,
		Count: k.count, ID: k.id, UserHandle: k.user,
	}
	if a.Synced {
		c.Flags |= FlagBE | FlagBS
	}
	for _, tweak := range tweaks {
		tweak(c)
	}
	data, client := c.authData(), c.clientData(t)
	hash := sha256.Sum256(client)
	signed := append(bytes.Clone(data), hash[:]...)
	if c.Sign == nil {
		c.Sign = func(b []byte) []byte { return sign(t, k.signer, b) }
	}
	sig := c.Sign(signed)
	if c.Encode != nil {
		sig = c.Encode(sig)
	}
	response := map[string]any{
		"clientDataJSON": b64u.EncodeToString(client), "authenticatorData": b64u.EncodeToString(data), "signature": b64u.EncodeToString(sig),
	}
	if c.UserHandle != nil {
		response["userHandle"] = b64u.EncodeToString(c.UserHandle)
	}
	return a.credential(t, c, response)
}

// Clone is a copy of the authenticator with all its keys, which counts on by itself.
func (a *Authenticator) Clone() *Authenticator {
	b := *a
	b.keys = nil
	for _, k := range a.keys {
		twin := *k
		b.keys = append(b.keys, &twin)
	}
	return &b
}

func (a *Authenticator) find(id []byte) *softKey {
	for _, k := range a.keys {
		if bytes.Equal(k.id, id) {
			return k
		}
	}
	return nil
}

func (a *Authenticator) origin() string {
	if a.Origin == "" {
		return Origin
	}
	return a.Origin
}

func (a *Authenticator) alg() int64 {
	if a.Alg == 0 {
		return ES256
	}
	return a.Alg
}

func (a *Authenticator) credential(t testing.TB, c *Ceremony, response map[string]any) []byte {
	t.Helper()
	if c.Extensions == nil {
		c.Extensions = map[string]any{}
	}
	b, err := json.Marshal(map[string]any{
		"id": b64u.EncodeToString(c.ID), "rawId": b64u.EncodeToString(c.ID), "type": "public-key",
		"authenticatorAttachment": "platform", "clientExtensionResults": c.Extensions, "response": response,
	})
	if err != nil {
		t.Fatalf("authntest: %v", err)
	}
	return b
}

func (c *Ceremony) authData() []byte {
	rp := sha256.Sum256([]byte(c.RPID))
	return binary.BigEndian.AppendUint32(append(rp[:], c.Flags), c.Count)
}

func (c *Ceremony) clientData(t testing.TB) []byte {
	t.Helper()
	d := map[string]any{"type": c.Type, "challenge": c.Challenge, "origin": c.Origin, "crossOrigin": c.CrossOrigin}
	if c.TopOrigin != "" {
		d["topOrigin"] = c.TopOrigin
	}
	b, err := json.Marshal(d)
	if err != nil {
		t.Fatalf("authntest: %v", err)
	}
	return b
}

// generate makes a key pair and the public half as COSE_Key. RFC 9053 §7.
func (a *Authenticator) generate(t testing.TB) (crypto.Signer, []byte) {
	t.Helper()
	switch a.alg() {
	case EdDSA:
		pub, priv, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatalf("authntest: %v", err)
		}
		return priv, COSEEd25519(pub)
	case RS256:
		priv, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			t.Fatalf("authntest: %v", err)
		}
		return priv, cborMap(cborInt(1), cborInt(3), cborInt(3), cborInt(RS256), cborInt(-1), cborBytes(priv.N.Bytes()), cborInt(-2), cborBytes([]byte{1, 0, 1}))
	}
	priv, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatalf("authntest: %v", err)
	}
	point, err := priv.PublicKey.Bytes()
	if err != nil {
		t.Fatalf("authntest: %v", err)
	}
	return priv, cborMap(cborInt(1), cborInt(2), cborInt(3), cborInt(ES256), cborInt(-1), cborInt(1),
		cborInt(-2), cborBytes(point[1:33]), cborInt(-3), cborBytes(point[33:]))
}

// COSEEd25519 is the COSE_Key of a public key, whatever it is worth.
func COSEEd25519(pub []byte) []byte {
	return cborMap(cborInt(1), cborInt(1), cborInt(3), cborInt(EdDSA), cborInt(-1), cborInt(6), cborInt(-2), cborBytes(pub))
}

func sign(t testing.TB, k crypto.Signer, b []byte) []byte {
	t.Helper()
	var opts crypto.SignerOpts = crypto.SHA256
	if _, ok := k.(ed25519.PrivateKey); ok {
		opts = crypto.Hash(0)
	} else {
		sum := sha256.Sum256(b)
		b = sum[:]
	}
	sig, err := k.Sign(rand.Reader, b, opts)
	if err != nil {
		t.Fatalf("authntest: %v", err)
	}
	return sig
}

func random(t testing.TB, n int) []byte {
	t.Helper()
	b := make([]byte, n)
	if _, err := rand.Read(b); err != nil {
		t.Fatalf("authntest: %v", err)
	}
	return b
}
