package issue

import (
	"context"
	"encoding/json"
	"time"

	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/span"
)

const (
	logoutEvent = "http://schemas.openid.net/event/backchannel-logout"
	logoutLife  = 2 * time.Minute // each attempt to deliver one mints its own
)

// LogoutToken mints what tells c that a session of user ended: sub is the person as c knows them, sid the session; never a
// nonce, so that nobody can take it for an ID token. It is signed and encrypted as the client's ID tokens are.
// OpenID Connect Back-Channel Logout §2.4.
func (i *Issuer) LogoutToken(ctx context.Context, c *oauth.Client, user ident.UserID, session ident.SessionID) (_ string, err error) {
	ctx, end := span.Start(ctx, "issue.LogoutToken")
	defer func() { end(err) }()
	now := i.opt.Now()
	payload, err := json.Marshal(map[string]any{
		"iss": i.opt.Issuer, "aud": string(c.ID), "sub": i.Subject(c, user), "sid": string(session),
		"iat": now.Unix(), "exp": now.Add(logoutLife).Unix(), "jti": i.NewID(),
		"events": map[string]any{logoutEvent: struct{}{}},
	})
	if err != nil {
		return "", err
	}
	token, err := i.opt.Ring.Sign(ctx, i.alg(c.IDTokenAlg), "logout+jwt", payload)
	if err != nil || c.IDTokenEncAlg == "" {
		return token, err
	}
	return i.encrypt(ctx, c, c.IDTokenEncAlg, c.IDTokenEnc, "JWT", token)
}
