package authn

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/postern-id/postern/store"
)

// decoyKey makes the passkeys of those who have none. All nodes share it, and it outlives them: a list that
// changed with a restart would tell.
type decoyKey struct {
	mu  sync.Mutex
	key []byte
}

const decoyLife = 10 * 365 * 24 * time.Hour

func (s *Service) decoyKey(ctx context.Context) ([]byte, error) {
	s.decoy.mu.Lock()
	defer s.decoy.mu.Unlock()
	if s.decoy.key != nil {
		return s.decoy.key, nil
	}
	const purpose = "authn.decoy"
	k := store.KeyOf(purpose, "")
	fresh, err := s.random(32)
	if err != nil {
		return nil, err
	}
	sealed, err := s.sealer.Seal(purpose, []byte(fresh))
	if err != nil {
		return nil, fmt.Errorf("authn: decoys: %w", err)
	}
	if err := s.eph.Put(ctx, k, sealed, s.now().Add(decoyLife)); err != nil {
		if !errors.Is(err, store.ErrExists) {
			return nil, fmt.Errorf("authn: decoys: %w", err)
		}
		if sealed, err = s.eph.Get(ctx, k); err != nil {
			return nil, fmt.Errorf("authn: decoys: %w", err)
		}
	}
	if s.decoy.key, err = s.sealer.Open(purpose, sealed); err != nil {
		return nil, fmt.Errorf("authn: decoys: %w", err)
	}
	return s.decoy.key, nil
}

// decoys are one or two passkeys that nobody has, always the same ones for account, in the lengths and with the
// transports of those that are about.
func (s *Service) decoys(ctx context.Context, account string) ([]descriptor, error) {
	key, err := s.decoyKey(ctx)
	if err != nil {
		return nil, err
	}
	stream := func(label byte, n int) []byte {
		var out []byte
		for i := uint32(0); len(out) < n; i++ {
			mac := hmac.New(sha256.New, key)
			mac.Write(binary.BigEndian.AppendUint32([]byte{label}, i))
			mac.Write([]byte(account))
			out = mac.Sum(out)
		}
		return out[:n]
	}
	shape := stream(0, 3)
	kinds := []struct {
		size       int
		transports []string
	}{
		{20, []string{"internal", "hybrid"}}, // iCloud Keychain
		{16, []string{"internal", "hybrid"}}, // Google Password Manager
		{32, []string{"internal"}},           // Windows Hello
		{48, []string{"nfc", "usb"}},         // security keys
	}
	out := []descriptor{}
	for i := range byte(1 + shape[0]&1) {
		kind := kinds[shape[1+i]%byte(len(kinds))]
		out = append(out, descriptor{Type: "public-key", ID: stream(1+i, kind.size), Transports: kind.transports})
	}
	return out, nil
}
