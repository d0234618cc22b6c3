package main

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestPrecedence(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "postern.yaml")
	write(t, filepath.Join(dir, "master"), testMaster+"\n")
	write(t, file, "issuer: http://localhost:8080\nlog: {level: warn, format: text}\ntokens: {access: 1m, id: 2m}\nsecrets:\n  master_file: "+filepath.Join(dir, "master")+"\n")
	environ := []string{"POSTERN_LOG_LEVEL=error", "POSTERN_TOKENS_ALGS=ES256,EdDSA", "POSTERN_TOKENS_ID=3m", "HOME=/x",
		"POSTERN_SERVICE_HOST=10.0.0.1", "POSTERN_PORT_8080_TCP=tcp://10.0.0.1:8080", "POSTERN_PORT=tcp://10.0.0.1:8080", "POSTERN_CONFIG=ignored"}
	c, err := loadConfig(file, environ, []string{"tokens.id=4m"})
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ name, got, want string }{
		{"default", c.Tokens.Code.String(), "1m"},
		{"file over default", c.Tokens.Access.String(), "1m"},
		{"environment over file", c.Log.Level, "error"},
		{"flag over environment", c.Tokens.ID.String(), "4m"},
		{"file alone", c.Log.Format, "text"},
		{"list", strings.Join(c.Tokens.Algs, " "), "ES256 EdDSA"},
		{"secret from its file", c.Secrets.Master, testMaster},
	} {
		if tc.got != tc.want {
			t.Errorf("%s: got %q, want %q", tc.name, tc.got, tc.want)
		}
	}
}

func TestSecretFromFileByEnvironment(t *testing.T) {
	file := filepath.Join(t.TempDir(), "master")
	write(t, file, testMaster+"\n")
	base := []string{"POSTERN_ISSUER=http://localhost:1"}
	if c, err := loadConfig("", append(base, "POSTERN_SECRETS_MASTER_FILE="+file), nil); err != nil || c.Secrets.Master != testMaster {
		t.Errorf("got %v", err)
	}
	if c, err := loadConfig("", base, []string{"secrets.master_file=" + file}); err != nil || c.Secrets.Master != testMaster {
		t.Errorf("got %v", err)
	}
	_, err := loadConfig("", append(base, "POSTERN_SECRETS_MASTER_FILE="+file, "POSTERN_SECRETS_MASTER="+testMaster), nil)
	if err == nil || !strings.Contains(err.Error(), "both") {
		t.Errorf("both: %v", err)
	}
}

func TestAllFaultsAtOnce(t *testing.T) {
	file := filepath.Join(t.TempDir(), "c.yaml")
	write(t, file, `issuer: http://id.example.com/
listen:
  adress: 0.0.0.0:80
  drain: 10
database:
  driver: oracle
  max_conns: many
tokens:
  access: 1s
  alg: PS256
  alg: PS256
telemetry: {sample: 2}
secrets:
  master: short
  master_file: /nowhere
proxies: {trusted: [10.0.0.1]}
password: [a]
`)
	_, err := loadConfig(file, []string{"POSTERN_LOGLEVEL=info", "POSTERN_LOG_FORMAT=xml"}, []string{"geo.fil=x", "secrets.master=abc", "nonsense"})
	if err == nil {
		t.Fatal("nothing is wrong?")
	}
	for _, want := range []string{
		file + ":1: issuer: must have no trailing slash",
		file + `:3: listen.adress: unknown field (did you mean "address"?)`,
		file + ":4: listen.drain: must be a duration",
		file + `:6: database.driver: "oracle" must be one of sqlite, postgres`,
		file + ":7: database.max_conns: must be a whole number",
		file + ":9: tokens.access: must be at least 30s",
		file + ":11: tokens.alg: is given twice",
		"tokens.alg: PS256 is not among tokens.algs",
		file + ":12: telemetry.sample: must be at most 1",
		file + ":14: secrets.master: ",
		file + ":15: secrets.master_file: both the value and its file are given",
		file + `:16: proxies.trusted: "10.0.0.1" is no CIDR range`,
		file + ":17: password: must be a mapping",
		`POSTERN_LOGLEVEL: no such setting (did you mean "POSTERN_LOG_LEVEL"?)`,
		`POSTERN_LOG_FORMAT: log.format: "xml" must be one of json, text`,
		"--set: geo.fil: unknown field",
		"--set: secrets.master: is a secret",
		"--set: nonsense: must be path=value",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("not reported: %s", want)
		}
	}
	if t.Failed() {
		t.Log(err)
	}
}

func TestValidate(t *testing.T) {
	for _, tc := range []struct {
		name string
		env  []string
		want string // "" for valid
	}{
		{"the defaults", nil, ""},
		{"https behind a proxy", []string{"ISSUER=https://id.example.com", "PROXIES_TRUSTED=10.0.0.0/8"}, ""},
		{"https with a path", []string{"ISSUER=https://id.example.com/auth", "PROXIES_TRUSTED=10.0.0.0/8"}, ""},
		{"https without TLS", []string{"ISSUER=https://id.example.com"}, "issuer: needs TLS"},
		{"http in public", []string{"ISSUER=http://id.example.com"}, "must be https"},
		{"http on an address like localhost", []string{"ISSUER=http://localhost.example.com"}, "must be https"},
		{"capitals", []string{"ISSUER=https://ID.example.com", "PROXIES_TRUSTED=10.0.0.0/8"}, "lower case"},
		{"query", []string{"ISSUER=http://localhost?x"}, "no user, query"},
		{"fragment", []string{"ISSUER=http://localhost#"}, "no user, query"},
		{"user", []string{"ISSUER=http://u@localhost"}, "no user, query"},
		{"dots", []string{"ISSUER=http://localhost/a/../b"}, "no dots"},
		{"no issuer", []string{"ISSUER="}, "issuer: is missing"},
		{"no master key", []string{"SECRETS_MASTER="}, "no master key"},
		{"weak master key", []string{"SECRETS_MASTER=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}, "one byte repeated"},
		{"two masters", []string{"SECRETS_KMS_URL=https://kms.example", "SECRETS_KMS_KEY=k", "SECRETS_KMS_TOKEN=t"}, "both a master key and a KMS"},
		{"KMS", []string{"SECRETS_MASTER=", "SECRETS_KMS_URL=https://kms.example", "SECRETS_KMS_KEY=k", "SECRETS_KMS_TOKEN_FILE=/run/token"}, ""},
		{"KMS in the clear", []string{"SECRETS_MASTER=", "SECRETS_KMS_URL=http://kms.example", "SECRETS_KMS_KEY=k", "SECRETS_KMS_TOKEN=t"}, "secrets.kms"},
		{"previous", []string{"SECRETS_PREVIOUS=nonsense"}, "secrets.previous: key 1"},
		{"half a certificate", []string{"LISTEN_TLS_CERT_FILE=/dev/null"}, "both cert_file and key_file"},
		{"no port", []string{"LISTEN_ADDRESS=localhost"}, "listen.address: must be host:port"},
		{"bad port", []string{"LISTEN_ADDRESS=localhost:70000"}, "no port"},
		{"no management", []string{"MANAGEMENT_ADDRESS="}, ""},
		{"sqlite with a URL", []string{"DATABASE_DSN=postgres://x"}, "but database.driver is sqlite"},
		{"redis", []string{"REDIS_URL=http://x"}, "redis.url"},
		{"short overlap", []string{"KEYS_OVERLAP=2m"}, "keys.overlap: is shorter"},
		{"ahead", []string{"KEYS_AHEAD=60d"}, "keys.ahead"},
		{"idle", []string{"SESSIONS_PHR_IDLE=2d"}, "sessions.phr.idle: is longer than sessions.phr.absolute"},
		{"lengths", []string{"PASSWORD_MIN_LENGTH_WITH_SECOND=99"}, "is longer than password.min_length"},
		{"missing file", []string{"GEO_FILE=/nowhere.mmdb"}, "/nowhere.mmdb: no such file"},
		{"missing list", []string{"GEO_TOR_FILE=/nowhere.txt"}, "/nowhere.txt: no such file"},
		{"JA4 from nobody", []string{"PROXIES_JA4_HEADER=X-JA4"}, "proxies.ja4_header: is believed from proxies.trusted only"},
		{"JA4 in no header", []string{"PROXIES_JA4_HEADER=X JA4", "PROXIES_TRUSTED=10.0.0.0/8"}, "is no name of a header"},
		{"JA4", []string{"PROXIES_JA4_HEADER=X-JA4", "PROXIES_TRUSTED=10.0.0.0/8"}, ""},
		{"telemetry", []string{"TELEMETRY_ENDPOINT=127.0.0.1:4318"}, "telemetry.endpoint"},
		{"egress", []string{"EGRESS_ALLOW=x"}, "egress.allow"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			environ := []string{}
			for _, kv := range append([]string{"ISSUER=http://localhost:8080", "SECRETS_MASTER=" + testMaster}, tc.env...) {
				environ = append(environ, "POSTERN_"+kv)
			}
			_, err := loadConfig("", lastWins(environ), nil)
			if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}

func lastWins(environ []string) []string {
	m := map[string]string{}
	for _, kv := range environ {
		k, v, _ := strings.Cut(kv, "=")
		m[k] = v
	}
	var out []string
	for k, v := range m {
		out = append(out, k+"="+v)
	}
	return out
}

// Every field is documented, and every default lies within its own bounds.
func TestEverySettingIsDocumented(t *testing.T) {
	for _, s := range newSourced().settings {
		if s.tag.Get("doc") == "" || s.tag.Get("yaml") == "" {
			t.Errorf("%s lacks a tag", s.path)
		}
		if what := outOfBounds(s); what != "" {
			t.Errorf("default of %s %s", s.path, what)
		}
	}
}

func TestPrintShowsNoSecret(t *testing.T) {
	file := filepath.Join(t.TempDir(), "c.yaml")
	write(t, file, "issuer: http://localhost:8080\ndatabase: {driver: postgres, dsn: 'postgres://app:dbsecret@db/x?sslpassword=tlssecret'}\n"+
		"redis: {url: 'redis://:redissecret@r:6379/0'}\nsecrets: {master: '"+testMaster+"', previous: ['"+testMaster+"'], kms: {token: kmssecret}}\n")
	for _, format := range []string{"yaml", "json"} {
		r := call(t, "", nil, "config", "print", "-c", file, "-o", format)
		if r.code != exitOK {
			t.Fatalf("%+v", r)
		}
		for _, secret := range []string{"dbsecret", "tlssecret", "redissecret", "kmssecret", testMaster, strings.TrimPrefix(testMaster, "base64:")} {
			if strings.Contains(r.out+r.err, secret) {
				t.Errorf("%s shows %s", format, secret)
			}
		}
		if !strings.Contains(r.out, redacted) || !strings.Contains(r.out, "app:redacted@db") {
			t.Errorf("%s does not show that there is a secret:\n%s", format, r.out)
		}
	}
	if got := redactURL("host=db password=hunter2 user=app"); got != redacted {
		t.Errorf("keyword DSN: %q", got)
	}
}

// What print shows can be read back, except for secrets.
func TestPrintedDefaultsAreValid(t *testing.T) {
	environ := []string{"POSTERN_ISSUER=http://localhost:8080", "POSTERN_SECRETS_MASTER=" + testMaster}
	r := call(t, "", environ, "config", "print")
	file := filepath.Join(t.TempDir(), "c.yaml")
	write(t, file, strings.ReplaceAll(r.out, redacted, testMaster))
	again := call(t, "", nil, "config", "print", "-c", file)
	if again.code != exitOK || again.out != r.out {
		t.Errorf("got %+v, want %s", again, r.out)
	}
}

func TestSchemaGolden(t *testing.T) {
	r := call(t, "", nil, "config", "schema")
	golden := filepath.Join("testdata", "config.schema.json")
	if *update {
		write(t, golden, r.out)
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if r.out != string(want) {
		t.Errorf("the schema changed; look at the difference, then run go test -update")
	}
	var s struct {
		AdditionalProperties bool `json:"additionalProperties"`
		Properties           map[string]struct {
			Properties map[string]any `json:"properties"`
		} `json:"properties"`
	}
	if err := json.Unmarshal(want, &s); err != nil || s.AdditionalProperties || s.Properties["secrets"].Properties["master_file"] == nil {
		t.Errorf("not strict, or without _file: %v", err)
	}
}

func TestDurationText(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"90s": 90 * time.Second, "15m": 15 * time.Minute, "30d": 30 * day, "1d12h": 36 * time.Hour, "0s": 0, "1.5h": 90 * time.Minute,
	} {
		var d Duration
		if err := d.UnmarshalText([]byte(text)); err != nil || d.D() != want {
			t.Errorf("%s: got %v, %v", text, d.D(), err)
		}
	}
	for _, text := range []string{"", "10", "-1s", "d", "1d1d", "99999d", "1d-2h", "1000000h", "x", "1.5d"} {
		var d Duration
		if d.UnmarshalText([]byte(text)) == nil {
			t.Errorf("%q was read as %s", text, d)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		want := Duration(rapid.Int64Range(0, int64(500*day)).Draw(t, "ns"))
		var got Duration
		if err := got.UnmarshalText([]byte(want.String())); err != nil || got != want {
			t.Fatalf("%s became %s: %v", want, got, err)
		}
	})
}

func FuzzConfigFile(f *testing.F) {
	f.Add("issuer: http://localhost\nlisten: {address: ':1'}\n")
	f.Add("a: &a [*a]\n")
	f.Add("tokens: {algs: [ES256, {a: b}]}\nsecrets:\n  master_file: x\n")
	f.Add("? {a: b}\n: c\n")
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "_file") {
			return // the fuzzer shall not read files
		}
		root, err := parseYAML([]byte(text))
		if err != nil || root == nil {
			return
		}
		c := newSourced()
		var fs faults
		c.readNode("f", "", root, &fs)
		_ = fs.err()
	})
}
