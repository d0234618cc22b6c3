package web

import (
	"errors"
	"net/http"
	"time"

	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/oauth/authorize"
	"github.com/postern-id/postern/oauth/backchannel"
	"github.com/postern-id/postern/web/pages"
)

// aboutDevice is what the form for the code of a device is about; that which decides names the code too, so that nobody
// says yes to a device who was not asked about it.
const aboutDevice = "device"

// device takes the code that a device shows, and asks whether it is the person's own. Whatever a link brings along is only
// filled in. RFC 8628 §3.3, §5.4.
func (s *Server) device(w http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodPost {
		code, _ := backchannel.UserCode(r.URL.Query().Get("user_code"))
		return s.devicePage(w, r, http.StatusOK, pages.DeviceCode{Code: code})
	}
	if err := r.ParseForm(); err != nil {
		return badForm(err)
	}
	ctx, typed, decision := r.Context(), r.PostForm.Get("user_code"), r.PostForm.Get("decision")
	about := aboutDevice
	if decision != "" {
		about += " " + typed
	}
	if !s.genuine(r, about) {
		return errForged
	}
	a, err := s.opt.Device.Find(ctx, typed)
	switch {
	case err != nil:
		return s.deviceFault(w, r, typed, err)
	case decision == "yes":
		q, err := s.opt.Device.Confirm(ctx, a)
		if err != nil {
			return s.deviceFault(w, r, typed, err)
		}
		to, err := s.opt.Authorize.BeginDevice(ctx, q)
		if err != nil {
			return s.deviceFault(w, r, typed, err)
		}
		return s.to(w, to)
	case decision == "no":
		if err := s.opt.Device.Deny(ctx, a); err != nil {
			return s.deviceFault(w, r, typed, err)
		}
		return s.answer(w, r, http.StatusOK, pages.DeviceDone{Client: s.deviceParty(r, a)}, nil)
	}
	v := pages.DeviceConfirm{Client: s.deviceParty(r, a), Code: a.UserCode, Device: a.Agent, There: a.Place.Country, Here: a.Here.Country,
		Far: far(a.Here.Spot, a.Place.Spot), Near: a.Near, Away: a.Away, Passkey: s.opt.Device.Passkey(a)}
	v.Form = pages.Form{CSRF: s.csrf(r, aboutDevice+" "+a.UserCode), Hidden: []pages.Field{{Name: "user_code", Value: a.UserCode}}}
	return s.answer(w, r, http.StatusOK, v, nil)
}

// deviceFault shows the form for the code again: one text for all that can be wrong with a code.
func (s *Server) deviceFault(w http.ResponseWriter, r *http.Request, typed string, err error) error {
	code, _ := backchannel.UserCode(typed)
	switch {
	case errors.Is(err, oauth.ErrNoDevice):
		return s.devicePage(w, r, http.StatusUnprocessableEntity, pages.DeviceCode{Code: code, Fault: pages.Rejected})
	case oauth.AsError(err).Status == http.StatusTooManyRequests:
		const wait = 10 * time.Minute
		w.Header().Set("Retry-After", itoa(int(wait/time.Second)))
		return s.devicePage(w, r, http.StatusTooManyRequests, pages.DeviceCode{Code: code, Fault: pages.RateLimited, RetryIn: wait})
	}
	return err
}

func (s *Server) devicePage(w http.ResponseWriter, r *http.Request, status int, v pages.DeviceCode) error {
	v.Form = pages.Form{CSRF: s.csrf(r, aboutDevice)}
	return s.answer(w, r, status, v, nil)
}

// deviceParty is the client of a device as the person sees it.
func (s *Server) deviceParty(r *http.Request, a *backchannel.Asked) pages.Party {
	return s.party(r, &flow{live: &authorize.Live{Client: a.Client, Interaction: oauth.Interaction{Request: a.Request}}})
}

// deviceDone ends the interaction for a device: it fetches what it gets, and the browser goes nowhere.
func (s *Server) deviceDone(w http.ResponseWriter, r *http.Request, f *flow, a oauth.Answer) error {
	code := a.Params.Get("error")
	return s.answer(w, r, http.StatusOK, pages.DeviceDone{Client: s.party(r, f), Connected: code == "", Late: code == "expired_token",
		Unmet: code == oauth.UnmetRequirements().Code}, f.live)
}
