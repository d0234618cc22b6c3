package oauth

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

// ObjectRule is what a signed request by back channel has to hold beside a good signature. CIBA Core §7.1.1 asks for all of
// aud, iss, exp, iat, nbf and jti of everybody; the rest is policy, and stands here so that FAPI-CIBA §5.2.2 is a row and no
// code of its own.
type ObjectRule struct {
	Life   time.Duration // from nbf to exp at most
	Age    time.Duration // since nbf at most
	Always bool          // requests that are not signed are refused
}

// objectClaims have to stand in every signed request by back channel. CIBA Core §7.1.1.
var objectClaims = []string{"aud", "iss", "exp", "iat", "nbf", "jti"}

// hourly is the rule of everybody: it lets no signed request wait for a better moment.
var hourly = ObjectRule{Life: time.Hour, Age: time.Hour}

// Delivery is how c gets what a request by back channel led to. CIBA Core §4.
func (c *Client) Delivery() string {
	if c.DeliveryMode == "" {
		return DeliverPoll
	}
	return c.DeliveryMode
}

// cibaFaults is what of the registration cannot be for requests by back channel. CIBA Core §4.
func (c *Client) cibaFaults() (faults []string) {
	bad := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	if c.DeliveryMode != "" && !slices.Contains(DeliveryModes, c.DeliveryMode) {
		bad("backchannel_token_delivery_mode %q is not one of %s", c.DeliveryMode, strings.Join(DeliveryModes, " "))
	}
	if alg := c.CIBAAlg; alg != "" && !slices.Contains(c.policy.Algs, alg) {
		bad("backchannel_authentication_request_signing_alg %q is not one of %s", alg, strings.Join(c.policy.Algs, " "))
	}
	if c.CIBAAlg != "" && len(c.JWKS) == 0 && c.JWKSURI == "" {
		bad("backchannel_authentication_request_signing_alg needs jwks or jwks_uri")
	}
	if u, err := url.Parse(c.NotificationEndpoint); c.NotificationEndpoint != "" && (err != nil || len(c.NotificationEndpoint) > maxURI || u.Host == "" ||
		u.User != nil || u.Fragment != "" || u.Scheme != "https" && !loopbackHTTP(u)) {
		bad("backchannel_client_notification_endpoint %q is not an https URL", c.NotificationEndpoint)
	}
	if c.Delivery() != DeliverPoll && c.NotificationEndpoint == "" {
		bad("backchannel_token_delivery_mode %s needs a backchannel_client_notification_endpoint", c.DeliveryMode)
	}
	if c.Allows(CIBAGrant) && c.Public() {
		bad("%s needs a client that authenticates", CIBAGrant)
	}
	return faults
}

// cibaSector is the host that pairwise subjects of c are made for where it has no redirection URI. CIBA Core §4.
func (c *Client) cibaSector() string {
	raw := c.JWKSURI
	if c.Delivery() == DeliverPush {
		raw = c.NotificationEndpoint
	}
	if u, err := url.Parse(raw); err == nil && c.Allows(CIBAGrant) {
		return strings.ToLower(u.Host)
	}
	return ""
}
