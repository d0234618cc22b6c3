package attacks

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"github.com/postern-id/postern/e2e/harness"
	"github.com/postern-id/postern/oauth"
)

// TestL_AddressesStandInOnePlace: whatever people and programs do, no column of any table holds an address, as text or as bytes,
// but the one beside the audit trail that forgets; and none holds a network that was counted.
func TestL_AddressesStandInOnePlace(t *testing.T) {
	t.Parallel()
	const grant = "urn:ietf:params:oauth:grant-type:device_code"
	seed, err := json.Marshal(map[string]any{"users": []map[string]any{{"username": "ida", "email": "ida@people.test", "password": password}},
		"clients": []map[string]any{{"client_id": "desk", "client_secret": secretOf("desk"), "grant_types": []string{oauth.CIBAGrant, grant, "refresh_token"}, "scope": "openid profile"}}})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	s := start(harness.Options{Engine: harness.SQLite, Dir: dir, Seed: string(seed)})
	const ip = "198.51.100.234"
	v := visitFrom(t, s, ip)
	v.signIn("ida")
	for range 3 { // refused ones are counted by network
		w := visitFrom(t, s, ip)
		w.submit("/login", with(fields(w.get("/login?to=/account")), "identifier", "ida", "password", "wrong"))
		v.post("/token", url.Values{"grant_type": {"client_credentials"}, "client_id": {"desk"}, "client_secret": {"wrong"}})
		v.as("desk", "/bc-authorize", ask("desk", "ida"))
	}
	accepted(t, v.as("desk", "/device_authorization", url.Values{"scope": {"openid"}}))
	w := visitFrom(t, s, ip)
	w.submit("/recover", with(fields(w.get("/recover")), "identifier", "ida"))
	v.post("/register", url.Values{})
	time.Sleep(time.Second)

	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "postern.db")+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	a := netip.MustParseAddr(ip).As4()
	needles := map[string]string{"the address": ip, "its network": "198.51.100.", "its bytes": string(a[:])}
	allowed := map[string]bool{"audit.ip": true, "ephemeral.value its network": true} // of a device request, while it lasts
	inTrail := false
	for _, place := range columns(t, db) {
		for name, needle := range needles {
			var n int
			if err := db.QueryRow(fmt.Sprintf(`SELECT count(*) FROM %s WHERE instr(CAST("%s" AS BLOB), CAST(? AS BLOB)) > 0`, place[0], place[1]), []byte(needle)).Scan(&n); err != nil {
				t.Fatal(place, err)
			}
			where := strings.Join(place[:], ".")
			if n > 0 && !allowed[where] && !allowed[where+" "+name] {
				t.Errorf("%s stands in %s, %d times", name, where, n)
			}
			inTrail = inTrail || n > 0 && where == "audit.ip"
		}
	}
	if !inTrail {
		t.Error("the trail has none: this test sees nothing")
	}
}

// columns are all columns of all tables.
func columns(t *testing.T, db *sql.DB) (out [][2]string) {
	t.Helper()
	rows, err := db.Query(`SELECT m.name, c.name FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table'`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var c [2]string
		if err := rows.Scan(&c[0], &c[1]); err != nil {
			t.Fatal(err)
		}
		out = append(out, c)
	}
	if len(out) < 50 {
		t.Fatalf("only %d columns", len(out))
	}
	return out
}
