package main

import (
	"encoding/json"
	"strings"

	"github.com/postern-id/postern/oauth"
)

// policyView is how strict the server is with a client, its own registration counted in; docs/clients.md explains it.
type policyView struct {
	Profile       string   `json:"profile"`
	ResponseTypes []string `json:"response_types"`
	ResponseModes []string `json:"response_modes"`
	PKCE          string   `json:"pkce"`
	RequestObject string   `json:"request_object"`
	Audience      string   `json:"assertion_audience"`
	Algs          []string `json:"assertion_and_request_algs"`
	Refresh       string   `json:"refresh_tokens"`
}

func policyOf(c *oauth.Client) policyView {
	p := c.Policy()
	v := policyView{Profile: p.Name, ResponseTypes: c.Responses(), ResponseModes: c.Modes(), Algs: p.Algs}
	switch {
	case c.PKCE(true):
		v.PKCE = "always"
	case c.PKCE(false):
		v.PKCE = "unless the request has a nonce"
	default:
		v.PKCE = "if the client wants"
	}
	switch {
	case c.RequireRequest:
		v.RequestObject = "required; "
	default:
		v.RequestObject = "optional; "
	}
	if p.MergeRequest {
		v.RequestObject += "parameters beside it count"
	} else {
		v.RequestObject += "parameters beside it are ignored"
	}
	v.Audience = "the issuer, as the only value"
	if p.Audience != "issuer" {
		v.Audience = "the issuer or endpoints of this server"
	}
	v.Refresh = "none"
	if c.Allows("refresh_token") {
		v.Refresh = "change at each use"
	}
	return v
}

// shownClient is the table of a client with its policy.
func shownClient(c *oauth.Client) table {
	var doc map[string]json.RawMessage
	public := publicClient(c)
	out := documentTable(public)
	view, err := json.Marshal(policyOf(c))
	if err != nil || json.Unmarshal(public, &doc) != nil {
		return out
	}
	for _, row := range documentTable(view).rows {
		out.add("policy: "+strings.ReplaceAll(row[0], "_", " "), row[1])
	}
	doc["policy"] = view
	out.json = doc
	return out
}
