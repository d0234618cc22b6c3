package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/postern-id/postern/authn"
	"github.com/postern-id/postern/oauth"
)

// This file is the protocol that apps approve by: docs/approver.md. Each request carries a proof that is signed by the
// key of the app, in the manner of RFC 9449.

const approverScheme = "Approver "

// appRequest reads a request of an app, with the proof that it came with.
func (s *Server) appRequest(r *http.Request) (authn.AppRequest, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return authn.AppRequest{}, badForm(err)
	}
	proof, ok := strings.CutPrefix(r.Header.Get("Authorization"), approverScheme)
	if !ok || len(r.Header.Values("Authorization")) != 1 {
		return authn.AppRequest{}, errApproverProof
	}
	here := s.base.Scheme + "://" + s.base.Host + r.URL.EscapedPath()
	return authn.AppRequest{Method: r.Method, URL: here, Body: body, Proof: proof}, nil
}

// app is the approver that makes a request.
func (s *Server) app(r *http.Request) (authn.Approver, authn.AppRequest, error) {
	q, err := s.appRequest(r)
	if err != nil {
		return authn.Approver{}, q, err
	}
	a, err := s.opt.Authn.App(r.Context(), q, oauth.EnvOf(r.Context()))
	return a, q, approverError(err)
}

var (
	errApproverProof = &oauth.Error{Code: "invalid_proof", Description: "The proof is not one of an approver for this request.",
		Status: http.StatusUnauthorized, Challenge: strings.TrimSpace(approverScheme)}
	errApproverCode = &oauth.Error{Code: "invalid_grant", Description: "The code is not valid, or the proof is not by the key that came with it.",
		Status: http.StatusBadRequest}
)

// approverError says in the words of the protocol why something was refused.
func approverError(err error) error {
	if u, ok := errors.AsType[authn.Unapproved](err); ok {
		return &oauth.Error{Code: "request_" + string(u.State), Description: "The request is " + string(u.State) + ".", Status: http.StatusConflict}
	}
	switch {
	case errors.Is(err, authn.ErrWrong):
		return errApproverProof.Because(err)
	case errors.Is(err, authn.ErrNoApproval), errors.Is(err, authn.ErrOff):
		return errNotFound.Because(err)
	case errors.Is(err, authn.ErrAsk):
		return oauth.InvalidRequest("The request cannot be understood.").Because(err)
	case errors.Is(err, authn.ErrFull):
		return (&oauth.Error{Code: "too_many_approvers", Description: "The person has as many approvers as one may have.", Status: http.StatusConflict}).Because(err)
	}
	return err
}

func readApprover(body []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return oauth.InvalidRequest("The body is not the JSON that is expected here.").Because(err)
	}
	return nil
}

// approverEnrol makes an app an approver of the person whose code it brings.
func (s *Server) approverEnrol(w http.ResponseWriter, r *http.Request) error {
	q, err := s.appRequest(r)
	if err != nil {
		return err
	}
	a, err := s.opt.Authn.EnrolApp(r.Context(), q, oauth.EnvOf(r.Context()))
	if errors.Is(err, authn.ErrWrong) {
		return errApproverCode.Because(err)
	}
	if err != nil {
		return approverError(err)
	}
	return writeStatus(w, http.StatusCreated, map[string]string{"approver": a.ID, "name": a.Name, "user": string(a.User)})
}

// approverRequests lists what waits for the person of an app.
func (s *Server) approverRequests(w http.ResponseWriter, r *http.Request) error {
	a, _, err := s.app(r)
	if err != nil {
		return err
	}
	list, err := s.opt.Authn.AppQuestions(r.Context(), a)
	if err != nil {
		return err
	}
	return writeJSON(w, map[string]any{"requests": list})
}

// approverDecide approves or denies one of them.
func (s *Server) approverDecide(w http.ResponseWriter, r *http.Request) error {
	a, q, err := s.app(r)
	if err != nil {
		return err
	}
	var in struct {
		Decision string `json:"decision"`
		JWS      string `json:"jws"`
		Reason   string `json:"reason"`
	}
	if err := readApprover(q.Body, &in); err != nil {
		return err
	}
	ctx, handle, env := r.Context(), r.PathValue("handle"), oauth.EnvOf(r.Context())
	switch in.Decision {
	case "approve":
		_, err = s.opt.Authn.ApproveByKey(ctx, a.ID, handle, in.JWS, env)
	case "deny":
		err = s.opt.Authn.DenyApproval(ctx, a.User, handle, in.Reason, env)
	default:
		err = authn.ErrAsk
	}
	if err != nil {
		return approverError(err)
	}
	now, err := s.opt.Authn.Approval(ctx, a.User, handle)
	if err == nil {
		err = s.decided(ctx, now, env)
	}
	if err != nil {
		return approverError(err)
	}
	return writeJSON(w, map[string]string{"state": string(now.State)})
}

// approverPush sets where pushes to an app go, or with an empty object that they go nowhere.
func (s *Server) approverPush(w http.ResponseWriter, r *http.Request) error {
	a, q, err := s.app(r)
	if err != nil {
		return err
	}
	var to authn.PushTarget
	if err := readApprover(q.Body, &to); err != nil {
		return err
	}
	if err := s.opt.Authn.SetPush(r.Context(), a.User, a.ID, to); err != nil {
		return approverError(err)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// approverRemove has an app give up being an approver.
func (s *Server) approverRemove(w http.ResponseWriter, r *http.Request) error {
	a, _, err := s.app(r)
	if err != nil {
		return err
	}
	if err := s.opt.Authn.RemoveApprover(r.Context(), a.User, a.ID, oauth.EnvOf(r.Context())); err != nil {
		return approverError(err)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
