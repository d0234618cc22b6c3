package authn

import (
	"context"
	"encoding/base32"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/keys"
	"github.com/postern-id/postern/store"
)

const (
	appCodeKind = "authn.approver.enrol"
	appJTIKind  = "authn.approver.jti"
	enrolLength = 10 // bytes: 16 characters
	// EnrolCodeLife is how long a code can be used to make an app an approver.
	EnrolCodeLife = 5 * time.Minute
)

// BeginAppEnrolment returns a code that makes one app an approver of user, once, within EnrolCodeLife: sixteen characters in
// groups of four. The caller has checked the person (CheckChange). ErrOff; ErrFull.
func (s *Service) BeginAppEnrolment(ctx context.Context, user ident.UserID, env ident.Env) (code string, err error) {
	if s.approvers == nil {
		return "", ErrOff
	}
	list, err := s.Approvers(ctx, user)
	if err != nil {
		return "", err
	}
	if len(list) >= MaxApprovers {
		return "", ErrFull
	}
	b := make([]byte, enrolLength)
	if _, err := io.ReadFull(s.rand, b); err != nil {
		return "", fmt.Errorf("authn: random: %w", err)
	}
	plain := base32.StdEncoding.EncodeToString(b)
	if err := s.audit.Record(ctx, event("approver.invited", audit.OK, "", user, "", env)); err != nil {
		return "", fmt.Errorf("authn: enrol app: %w", err)
	}
	v, err := json.Marshal(user)
	if err != nil {
		return "", fmt.Errorf("authn: enrol app: %w", err)
	}
	if err := s.eph.Put(ctx, store.KeyOf(appCodeKind, plain), v, s.now().Add(EnrolCodeLife)); err != nil {
		return "", fmt.Errorf("authn: enrol app: %w", err)
	}
	return strings.Join([]string{plain[:4], plain[4:8], plain[8:12], plain[12:]}, "-"), nil
}

// plainCode is a code of enrolment as it was made, however it was typed.
func plainCode(code string) string {
	return strings.NewReplacer("0", "O", "1", "I", "8", "B").Replace(strings.ToUpper(normaliseCode(code)))
}

// appEnrolment is the body with which an app enrols.
type appEnrolment struct {
	Code string          `json:"code"`
	Name string          `json:"name"`
	JWK  json.RawMessage `json:"jwk"`
	// Attestation is by the maker of the device; nil for none.
	Attestation *appAttestation `json:"attestation"`
}

// EnrolApp makes the app that sent q an approver of the person whose code is in its body, {"code","name","jwk","attestation"};
// the proof is signed by that key. ErrWrong for whatever is wrong; ErrFull; ErrOff. The code is used up only by what is right in all else.
func (s *Service) EnrolApp(ctx context.Context, q AppRequest, env ident.Env) (Approver, error) {
	if s.approvers == nil {
		return Approver{}, ErrOff
	}
	a, err := s.enrolApp(ctx, q)
	if err != nil {
		return Approver{}, s.misused(ctx, a.User, err, env)
	}
	return s.addApprover(ctx, a, env)
}

func (s *Service) enrolApp(ctx context.Context, q AppRequest) (Approver, error) {
	in, k, err := parseEnrolment(q, s.now())
	if err != nil {
		return Approver{}, err
	}
	format, err := s.attested(in.Attestation, k, in.Code)
	if err != nil {
		return Approver{}, err
	}
	v, err := s.eph.Take(ctx, store.KeyOf(appCodeKind, plainCode(in.Code)))
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrTaken) {
		return Approver{}, refuse("code")
	}
	a := Approver{Kind: ApproverApp, Name: cleanName(in.Name), Key: k.jwk(""), Attested: format}
	if err == nil {
		err = json.Unmarshal(v, &a.User)
	}
	if err != nil {
		return Approver{}, fmt.Errorf("authn: enrol app: %w", err)
	}
	if a.Name == "" {
		a.Name = "App"
	}
	u, err := s.users.User(ctx, a.User)
	if errors.Is(err, store.ErrNotFound) || err == nil && u.Disabled {
		return a, refuse("disabled")
	}
	if err != nil {
		return Approver{}, fmt.Errorf("authn: enrol app: %w", err)
	}
	return a, nil
}

// parseEnrolment reads what an app sends to enrol, and refuses what its key did not sign at that time for that place.
func parseEnrolment(q AppRequest, now time.Time) (appEnrolment, appKey, error) {
	var in appEnrolment
	if strictJSON(q.Body, &in) != nil || len(in.Code) > 64 || len(in.Name) > 4*maxPasskeyName {
		return appEnrolment{}, appKey{}, refuse("malformed")
	}
	k, err := parseAppKey(in.JWK)
	if err != nil {
		return appEnrolment{}, appKey{}, err
	}
	payload, err := verifyApp(k.jwk(""), q.Proof, typApprover)
	if err != nil {
		return appEnrolment{}, appKey{}, err
	}
	if _, err := q.parse(payload, now); err != nil {
		return appEnrolment{}, appKey{}, err
	}
	return in, k, nil
}

// App returns the approver that made the request q, by its signature, once. ErrWrong for an approver that is unknown or was
// removed, for another key, another request, a clock too far off and a replay.
func (s *Service) App(ctx context.Context, q AppRequest, env ident.Env) (Approver, error) {
	if s.approvers == nil {
		return Approver{}, ErrOff
	}
	a, err := s.app(ctx, q)
	if err != nil {
		return Approver{}, s.misused(ctx, a.User, err, env)
	}
	return a, nil
}

func (s *Service) app(ctx context.Context, q AppRequest) (Approver, error) {
	if len(q.Proof) > maxAppJWS {
		return Approver{}, refuse("malformed")
	}
	h, _, err := keys.Peek(q.Proof)
	if err != nil || h.KeyID == "" {
		return Approver{}, refuse("malformed")
	}
	a, k, err := s.appByID(ctx, h.KeyID)
	if err != nil {
		return Approver{}, err
	}
	payload, err := verifyApp(k.jwk(a.ID), q.Proof, typApprover)
	if err != nil {
		return a, err
	}
	p, err := q.parse(payload, s.now())
	if err != nil {
		return a, err
	}
	err = s.eph.Put(ctx, store.KeyOf(appJTIKind, a.ID+"\x00"+p.ID), []byte{1}, time.Unix(p.IssuedAt, 0).Add(2*proofAge))
	if errors.Is(err, store.ErrExists) {
		return a, refuse("replayed")
	}
	if err != nil {
		return Approver{}, fmt.Errorf("authn: app: %w", err)
	}
	return a, nil
}

// appByID is the app with an id, of a person who may sign in.
func (s *Service) appByID(ctx context.Context, id string) (Approver, appKey, error) {
	a, err := s.approvers.Approver(ctx, id)
	if errors.Is(err, store.ErrNotFound) || err == nil && a.Kind != ApproverApp {
		return Approver{}, appKey{}, refuse("unknown")
	}
	if err != nil {
		return Approver{}, appKey{}, fmt.Errorf("authn: app: %w", err)
	}
	u, err := s.users.User(ctx, a.User)
	if errors.Is(err, store.ErrNotFound) || err == nil && u.Disabled {
		return a, appKey{}, refuse("disabled")
	}
	if err != nil {
		return Approver{}, appKey{}, fmt.Errorf("authn: app: %w", err)
	}
	k, err := parseAppKey(a.Key)
	return a, k, err
}

// misused records why what an app sent does not count, and returns what the caller sees.
func (s *Service) misused(ctx context.Context, user ident.UserID, err error, env ident.Env) error {
	why, ok := errors.AsType[refusal](err)
	if !ok {
		return err
	}
	if err := s.audit.Record(ctx, event("approver.refused", audit.Failed, why.code, user, "", env)); err != nil {
		return fmt.Errorf("authn: app: %w", err)
	}
	return why.as
}

// AppQuestion is a request as an app sees it: with its number filled in, Statement is what it signs.
type AppQuestion struct {
	Statement json.RawMessage `json:"statement"` // number is "" where it has to be typed
	Digits    int             `json:"digits"`    // of the number
	Compare   bool            `json:"compare"`   // the number is there, to be compared with what the other side shows
	NewPlace  bool            `json:"new_place"`
	Expires   time.Time       `json:"expires"`
}

// AppQuestions returns what waits for the person of a, newest first.
func (s *Service) AppQuestions(ctx context.Context, a Approver) ([]AppQuestion, error) {
	list, err := s.pending(ctx, a.User)
	if err != nil {
		return nil, err
	}
	out := []AppQuestion{}
	for _, r := range list {
		number := ""
		if r.Compare {
			number = r.Number
		}
		text, err := r.statement(number).canonical()
		if err != nil {
			return nil, err
		}
		out = append(out, AppQuestion{Statement: text, Digits: r.Digits, Compare: r.Compare, NewPlace: r.NewPlace, Expires: r.Expires})
	}
	return out, nil
}

// ApproveByKey approves the request with handle by jws, which the app a signed over its statement with the number that was
// typed, and returns it. Unapproved where it was decided before, or the number is wrong, which ends it; ErrNoApproval;
// ErrWrong for a signature or a statement that is not right.
func (s *Service) ApproveByKey(ctx context.Context, approver, handle, jws string, env ident.Env) (Approval, error) {
	if s.approvers == nil {
		return Approval{}, ErrOff
	}
	a, k, err := s.appByID(ctx, approver)
	if err != nil {
		return Approval{}, s.misused(ctx, a.User, err, env)
	}
	r, err := s.approvable(ctx, a.User, handle)
	if err != nil {
		return r.shownTo(a.User), err
	}
	payload, err := verifyApp(k.jwk(a.ID), jws, typApproval)
	if err != nil {
		return Approval{}, s.misapproved(ctx, r, err, env)
	}
	var st statement
	if err := strictJSON(payload, &st); err != nil || st != r.statement(st.Number) {
		return Approval{}, s.misapproved(ctx, r, refuse("statement"), env)
	}
	if r.Compare && st.Number != r.Number {
		return Approval{}, s.misapproved(ctx, r, refuse("statement"), env)
	}
	if err := s.checkNumber(ctx, r, st.Number, env); err != nil {
		return Approval{}, err
	}
	return s.approve(ctx, r, a, false, Evidence{V: 1, JWS: jws, JWK: k.jwk(a.ID)}, env)
}
