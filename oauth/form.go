package oauth

import (
	"errors"
	"mime"
	"net/http"
)

// ParseForm reads the form of a POST to a protocol endpoint. Parameters in the query are refused, since URLs are logged
// and remembered, and so is any other content type. RFC 6749 §3.2, RFC 9700 §4.3.2.
func ParseForm(r *http.Request) error {
	if r.URL.RawQuery != "" {
		return InvalidRequest("Send the parameters in the body, not in the URL.")
	}
	ct, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || ct != "application/x-www-form-urlencoded" {
		e := InvalidRequest("The body must be application/x-www-form-urlencoded.")
		e.Status = http.StatusUnsupportedMediaType
		return e
	}
	if err := r.ParseForm(); err != nil {
		var big *http.MaxBytesError
		if errors.As(err, &big) {
			e := InvalidRequest("The body is longer than %d bytes.", big.Limit)
			e.Status = http.StatusRequestEntityTooLarge
			return e
		}
		return InvalidRequest("The body is not a form.").Because(err)
	}
	return nil
}
