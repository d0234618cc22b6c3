package backchannel

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/authn"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/riskstep"
	"github.com/postern-id/postern/store"
)

// settleLate is how long an approval is left to whoever saw it: after that a poll brings it to its end, knowing less of
// where the person was.
const settleLate = 5 * time.Second

// Decided brings the outcome of the request for approval with that handle to the request by back channel that it belongs to,
// if any: whoever let a person approve or deny calls it then; env is where that person is. It may be called any number of
// times. Its error means that the outcome could not be brought here, not that it was another one.
func (s *CIBA) Decided(ctx context.Context, approval string, env ident.Env) error {
	handle, err := s.opt.Requests.Of(ctx, approval)
	if errors.Is(err, oauth.ErrNoCIBA) {
		return nil
	}
	if err != nil {
		return oauth.Unavailable(err)
	}
	_, err = s.settle(ctx, handle, env, 0)
	if errors.Is(err, oauth.ErrNoCIBA) || errors.Is(err, store.ErrTaken) {
		return nil
	}
	return err
}

// Look returns the request with that handle as it stands by now; store.ErrTaken with it if it was redeemed; oauth.ErrNoCIBA.
func (s *CIBA) Look(ctx context.Context, handle string) (*oauth.CIBARequest, error) {
	return s.settle(ctx, handle, ident.Env{RequestID: oauth.EnvOf(ctx).RequestID}, settleLate)
}

// settle brings a pending request to where its request for approval stands; an approval younger than leave is left alone.
func (s *CIBA) settle(ctx context.Context, handle string, env ident.Env, leave time.Duration) (*oauth.CIBARequest, error) {
	r, err := s.opt.Requests.Get(ctx, handle)
	if err != nil || r.Status != oauth.CIBAPending {
		return r, err
	}
	a, err := s.opt.People.AskedApproval(ctx, r.Approval, oauth.CIBABind(handle))
	if errors.Is(err, authn.ErrNoApproval) { // forgotten: its time is long over
		return s.end(ctx, handle, r, oauth.CIBAExpired)
	}
	if err != nil {
		return nil, oauth.Unavailable(err)
	}
	switch a.State {
	case authn.ApprovalPending:
		return r, nil
	case authn.ApprovalExpired:
		return s.end(ctx, handle, r, oauth.CIBAExpired)
	case authn.ApprovalApproved:
		if s.opt.Now().Sub(a.Decided) < leave {
			return r, nil
		}
		return s.approved(ctx, handle, r, env)
	}
	return s.end(ctx, handle, r, oauth.CIBADenied)
}

// end brings r to a status that gives nothing, if nobody was faster, and returns it as it is then. The trail knows why from
// the request for approval.
func (s *CIBA) end(ctx context.Context, handle string, r *oauth.CIBARequest, status string) (*oauth.CIBARequest, error) {
	if err := s.hurry(ctx, handle, r); err != nil {
		return nil, err
	}
	err := s.opt.Requests.Decide(ctx, handle, status, "")
	if errors.Is(err, oauth.ErrCIBADecided) {
		return s.opt.Requests.Get(ctx, handle)
	}
	if err != nil {
		return nil, err
	}
	r.Status = status
	s.courier.Wake()
	return r, nil
}

// approved takes the proof of the approval, which one caller gets, and grants by it.
func (s *CIBA) approved(ctx context.Context, handle string, r *oauth.CIBARequest, env ident.Env) (*oauth.CIBARequest, error) {
	if err := s.hurry(ctx, handle, r); err != nil {
		return nil, err
	}
	p, err := s.opt.People.ApprovedProof(ctx, r.Approval, oauth.CIBABind(handle))
	if errors.Is(err, authn.ErrNoApproval) { // somebody else has it, or the device that approved was removed
		return s.opt.Requests.Get(ctx, handle)
	}
	if err != nil {
		return nil, oauth.Unavailable(err)
	}
	return s.give(ctx, handle, r, p, env, true)
}

// give grants what r asks by p: Decision, session, grant, in this order, and then it is so. The proof is used up: whatever
// fails from here on ends r, since nobody can bring it to a better end. person says that one decided, and no program.
func (s *CIBA) give(ctx context.Context, handle string, r *oauth.CIBARequest, p authn.Proof, env ident.Env, person bool) (*oauth.CIBARequest, error) {
	ctx = context.WithoutCancel(ctx)
	g, err := s.grant(ctx, handle, r, p, env, person)
	if errors.Is(err, errNotAllowed) {
		return s.end(ctx, handle, r, oauth.CIBADenied)
	}
	if err != nil {
		_, bad := s.end(ctx, handle, r, oauth.CIBADenied)
		return nil, oauth.Unavailable(errors.Join(err, bad, s.undo(ctx, g)))
	}
	err = s.opt.Requests.Decide(ctx, handle, oauth.CIBAApproved, g.ID)
	if errors.Is(err, oauth.ErrCIBADecided) || errors.Is(err, oauth.ErrNoCIBA) { // it came to another end meanwhile
		if err := s.undo(ctx, g); err != nil {
			return nil, oauth.Unavailable(err)
		}
		return s.opt.Requests.Get(ctx, handle)
	}
	if err != nil {
		return nil, oauth.Unavailable(errors.Join(err, s.undo(ctx, g)))
	}
	r.Status, r.Grant = oauth.CIBAApproved, g.ID
	s.courier.Wake()
	return r, nil
}

var errNotAllowed = errors.New("backchannel: the risk engine does not allow it")

// grant starts a session of its own and stores what the person gave under it. What is returned with an error stands in part.
func (s *CIBA) grant(ctx context.Context, handle string, r *oauth.CIBARequest, p authn.Proof, env ident.Env, person bool) (*oauth.Grant, error) {
	c, err := s.opt.Registry.Find(ctx, r.Client)
	if err != nil || !c.Allows(oauth.CIBAGrant) {
		return nil, errNotAllowed
	}
	need := r.Need
	if !r.NeedHard {
		need = min(need, p.Assurance())
	}
	d, err := s.opt.Risk.Decide(ctx, riskstep.Input{Moment: riskstep.AtSignIn, Proof: p, User: r.User, Client: r.Client, Env: env, Need: need, Best: p.Assurance()})
	if err != nil {
		return nil, err
	}
	if !d.For(p) {
		return nil, errNotAllowed
	}
	scope, resources, err := s.allowed(ctx, c, r, person, env)
	if err != nil {
		return nil, err
	}
	sess, _, err := s.opt.Sessions.Start(ctx, p, d, env) // nobody gets its cookie
	if err != nil {
		return nil, err
	}
	now := s.opt.Now()
	g := &oauth.Grant{ID: ident.GrantID(s.opt.Issue.NewID()), Client: c.ID, User: r.User, Session: sess.ID, Scope: scope, Resources: resources,
		Assurance: sess.Reached(now), AMR: sess.AMR, AuthTime: sess.AuthTime, Country: sess.Country, CreatedAt: now,
		Offline: slices.Contains(scope, "offline_access"), ExpiresAt: sess.ExpiresAt}
	if g.Offline {
		g.ExpiresAt = now.Add(s.opt.Offline)
		if c.RefreshSeconds > 0 {
			g.ExpiresAt = now.Add(time.Duration(c.RefreshSeconds) * time.Second)
		}
	}
	if c.Allows("refresh_token") {
		g.RefreshSeq, g.RefreshHash = 1, s.opt.Issue.FirstRefresh(g.ID, handle).Hash()
	}
	noted := *r
	noted.Grant = g.ID
	if err := s.record(ctx, "ciba.approved", audit.OK, "user", &noted, ""); err != nil {
		return g, err
	}
	if err := s.opt.Grants.InsertGrant(ctx, *g); err != nil {
		return g, err
	}
	if !person {
		return g, nil
	}
	return g, s.opt.Risk.Learn(ctx, d)
}

// undo ends what grant began.
func (s *CIBA) undo(ctx context.Context, g *oauth.Grant) error {
	if g == nil {
		return nil
	}
	_, err := s.opt.Grants.RevokeGrant(ctx, g.ID, s.opt.Now(), "ciba_gone")
	if errors.Is(err, store.ErrNotFound) {
		err = nil
	}
	return errors.Join(err, s.opt.Sessions.End(ctx, g.Session, "ciba_gone"))
}

// Decide lets the program by decide the request with authReqID in the place of its person, where that is switched on: see
// authn.Service.DecidedByProgram.
func (s *CIBA) Decide(ctx context.Context, by ident.ClientID, authReqID string, allow bool) error {
	handle := oauth.CIBAHandle(authReqID)
	r, err := s.opt.Requests.Get(ctx, handle)
	if errors.Is(err, oauth.ErrNoCIBA) {
		return oauth.InvalidRequest("The auth_req_id is not known.")
	}
	if err != nil && !errors.Is(err, store.ErrTaken) {
		return oauth.Unavailable(err)
	}
	if err := s.hurry(ctx, handle, r); err != nil {
		return err
	}
	env := oauth.EnvOf(ctx)
	p, err := s.opt.People.DecidedByProgram(ctx, r.Approval, oauth.CIBABind(handle), allow, by, env)
	if u, decided := errors.AsType[authn.Unapproved](err); decided {
		return oauth.InvalidRequest("The request is %s.", string(u.State))
	}
	switch {
	case errors.Is(err, authn.ErrNoApproval):
		return oauth.InvalidRequest("The auth_req_id is not known.")
	case err != nil:
		return oauth.Unavailable(err)
	case allow:
		_, err = s.give(ctx, handle, r, p, env, false)
		return err
	}
	_, err = s.settle(ctx, handle, env, 0)
	return err
}
