package verify_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/postern-id/postern/verify"
)

func ExampleResourceServer_Require() {
	rs, err := verify.NewResourceServer(context.Background(), "https://id.example.com", verify.Audience("https://api.example.com"))
	if err != nil {
		fmt.Println(err)
		return
	}
	withdraw := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t, _ := verify.FromContext(r.Context())
		fmt.Fprintln(w, "done,", t.Subject)
	})
	mux := http.NewServeMux()
	mux.Handle("POST /withdraw", rs.Require("wallet:move", verify.ACR("phr"), verify.MaxAge(5*time.Minute))(withdraw))
	mux.Handle(rs.MetadataPath(), rs.Metadata())

	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest("POST", "/withdraw", nil))
	fmt.Println(w.Code, w.Header().Get("WWW-Authenticate"))
	// Output: 401 Bearer resource_metadata="https://api.example.com/.well-known/oauth-protected-resource"
}
