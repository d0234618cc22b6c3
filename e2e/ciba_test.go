package e2e

import (
	"errors"
	"net/http"
	"net/url"
)

const cibaGrant = "urn:openid:params:grant-type:ciba"

// cmdCIBA asks for a person by back channel as a client does, and keeps $auth_req_id.
func (st *stage) cmdCIBA(args []string, _ bool) (*outcome, error) {
	_, v := params(args)
	if one(args) == "" {
		return nil, errors.New("name the client")
	}
	if !v.Has("scope") {
		v.Set("scope", "openid")
	}
	a, err := st.cast.RP(st.s, one(args)).Post("/bc-authorize", v)
	if err == nil && a.OK() {
		st.vars["auth_req_id"] = a.Get("auth_req_id")
	}
	return answered(a, err)
}

// cmdPoll asks what became of $auth_req_id, or of the one that is given.
func (st *stage) cmdPoll(args []string, bare bool) (*outcome, error) {
	_, v := params(args)
	if !v.Has("auth_req_id") {
		args = append(args, "auth_req_id="+st.vars["auth_req_id"])
	}
	return st.cmdToken(append(args, "grant_type="+cibaGrant), bare)
}

// cmdDecide decides about $auth_req_id in the place of its person: allow or deny. The robot does, unless another is named by as=.
func (st *stage) cmdDecide(args []string, _ bool) (*outcome, error) {
	_, v := params(args)
	robot := "robot"
	if v.Has("as") {
		robot = v.Get("as")
	}
	scope := "postern:decide"
	if v.Has("scope") {
		scope = v.Get("scope")
	}
	a, err := st.cast.RP(st.s, robot).ClientCredentials(url.Values{"scope": {scope}})
	if err != nil || !a.OK() {
		return answered(a, err)
	}
	form := url.Values{"auth_req_id": {st.vars["auth_req_id"]}, "action": {one(args)}}
	if v.Has("auth_req_id") {
		form.Set("auth_req_id", v.Get("auth_req_id"))
	}
	return answered(st.s.PostForm(st.s.Client(""), "/bc-decide", form, http.Header{"Authorization": {"Bearer " + a.Get("access_token")}}))
}
