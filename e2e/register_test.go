package e2e

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"github.com/postern-id/postern/e2e/harness"
)

// metadata is a JSON object of NAME=VALUE; what is no JSON is a text.
func metadata(v url.Values) ([]byte, error) {
	m := map[string]json.RawMessage{}
	for name := range v {
		value := json.RawMessage(v.Get(name))
		if !json.Valid(value) {
			value, _ = json.Marshal(v.Get(name))
		}
		m[name] = value
	}
	return json.Marshal(m)
}

// cmdRegister registers a client, which from then on plays under the name that is given. RFC 7591 §3.
func (st *stage) cmdRegister(args []string, _ bool) (*outcome, error) {
	_, v := params(args)
	token := v.Get("bearer")
	v.Del("bearer")
	doc, err := metadata(v)
	if err != nil {
		return nil, err
	}
	a, err := st.s.SendJSON(http.MethodPost, st.s.Issuer+"/register", token, doc)
	if err == nil && a.Status == http.StatusCreated {
		rp := harness.RP{ID: a.Get("client_id"), Secret: a.Get("client_secret")}
		if list, ok := a.Fields["redirect_uris"].([]any); ok && len(list) > 0 {
			rp.Redirect, _ = list[0].(string)
		}
		st.cast.Add(one(args), rp)
		for _, name := range []string{"client_id", "registration_client_uri", "registration_access_token"} {
			st.vars[name] = a.Get(name)
		}
	}
	return answered(a, err)
}

// cmdManage is RFC 7592 for the client that was registered last: get, put NAME=VALUE… or delete, with token=… for another one.
func (st *stage) cmdManage(args []string, _ bool) (*outcome, error) {
	_, v := params(args)
	token := st.vars["registration_access_token"]
	if v.Has("token") {
		token = v.Get("token")
		v.Del("token")
	}
	doc, err := metadata(v)
	if err != nil {
		return nil, err
	}
	return answered(st.s.SendJSON(strings.ToUpper(one(args)), st.vars["registration_client_uri"], token, doc))
}
