package web

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/postern-id/postern/oauth"
)

// Whoever hangs up before the answer leaves no error in the log; what fails while somebody waits does.
func TestLogOfWhoHangsUp(t *testing.T) {
	gone, hangUp := context.WithCancel(t.Context())
	hangUp()
	for _, tt := range []struct {
		name string
		ctx  context.Context
		err  error
		want string
	}{
		{"hung up", gone, oauth.Unavailable(context.Canceled), "level=INFO"},
		{"hung up, and something is wrong", gone, oauth.Unavailable(errors.New("no database")), "level=ERROR"},
		{"waits", t.Context(), oauth.Unavailable(context.Canceled), "level=ERROR"},
	} {
		var out bytes.Buffer
		s := &Server{opt: Options{Log: slog.New(slog.NewTextHandler(&out, nil))}}
		s.log(tt.ctx, "/x", "GET", 503, 0, "id", tt.err)
		if !strings.Contains(out.String(), tt.want) {
			t.Errorf("%s: %s", tt.name, out.String())
		}
	}
}
