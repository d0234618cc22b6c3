package main

import (
	"strconv"
	"strings"
	"time"

	"github.com/postern-id/postern/riskstep/policy"
)

// Config is everything an operator can set. A field's tags are its whole documentation: `yaml` names it in the file,
// the path in capitals names it in the environment (listen.tls.cert_file is POSTERN_LISTEN_TLS_CERT_FILE), `doc` explains
// it, `enum`, `min` and `max` bound it. A field with `secret` is never printed, and is refused on the command line, where
// other users could read it; unless it is "text" it may also be given as <name>_file (and POSTERN_…_FILE).
type Config struct {
	Issuer       string             `yaml:"issuer" doc:"The public URL of this server, exactly as tokens carry it in iss: https, no trailing slash. http is accepted for localhost only."`
	Listen       ListenConfig       `yaml:"listen" doc:"The public listener."`
	Management   ManagementConfig   `yaml:"management" doc:"The operator's listener: /livez /readyz /metrics /version. Never expose it to the internet."`
	Database     DatabaseConfig     `yaml:"database" doc:"Where everything durable is kept."`
	Redis        RedisConfig        `yaml:"redis" doc:"Optional: keeps short-lived values and counters for many nodes."`
	Secrets      SecretsConfig      `yaml:"secrets" doc:"The master key under which signing keys and other reversible secrets are sealed. Give exactly one of master, master_file and kms."`
	Proxies      ProxiesConfig      `yaml:"proxies" doc:"Reverse proxies in front of this server."`
	Password     PasswordConfig     `yaml:"password" doc:"Sign-in by password."`
	Passkeys     PasskeysConfig     `yaml:"passkeys" doc:"Sign-in by passkey (WebAuthn)."`
	Approvers    ApproversConfig    `yaml:"approvers" doc:"Apps with which people approve what begins elsewhere."`
	Recovery     RecoveryConfig     `yaml:"recovery" doc:"How people who lost all ways to sign in get back; needs mail."`
	Mail         MailConfig         `yaml:"mail" doc:"The mail server that tells people about their accounts. Without a host nothing is sent."`
	Geo          GeoConfig          `yaml:"geo" doc:"Where addresses are, for the risk engine."`
	Risk         policy.Config      `yaml:"risk" doc:"What the risk engine does with what it sees."`
	Sessions     SessionsConfig     `yaml:"sessions" doc:"How long a person stays signed in."`
	Tokens       TokensConfig       `yaml:"tokens" doc:"Lifetimes and algorithms of what is issued."`
	Backchannel  BackchannelConfig  `yaml:"backchannel" doc:"Requests by back channel (CIBA), for clients that are registered for them."`
	Device       DeviceConfig       `yaml:"device" doc:"The device grant (RFC 8628), for clients that are registered for it."`
	Registration RegistrationConfig `yaml:"registration" doc:"Clients that no operator registered. They always ask for consent, and never get what only an operator decides."`
	Keys         KeysConfig         `yaml:"keys" doc:"Rotation of signing keys: next, active, retired."`
	Audit        AuditConfig        `yaml:"audit" doc:"The audit trail: its checkpoints, and how long it knows addresses."`
	Egress       EgressConfig       `yaml:"egress" doc:"What this server may fetch from."`
	Telemetry    TelemetryConfig    `yaml:"telemetry" doc:"Traces by OpenTelemetry; off where no endpoint is given."`
	Log          LogConfig          `yaml:"log" doc:"Log lines on standard error."`
}

// ListenConfig is the public listener.
type ListenConfig struct {
	Address string    `yaml:"address" doc:"host:port to listen on."`
	TLS     TLSConfig `yaml:"tls" doc:"Certificates, where this server terminates TLS itself."`
	Drain   Duration  `yaml:"drain" min:"0s" max:"5m" doc:"How long requests under way may take to finish at shutdown."`
}

// TLSConfig is the certificate of a listener.
type TLSConfig struct {
	CertFile   string `yaml:"cert_file" doc:"PEM certificate chain. Read again when it changes."`
	KeyFile    string `yaml:"key_file" doc:"PEM private key of cert_file."`
	MinVersion string `yaml:"min_version" enum:"1.2,1.3" doc:"The lowest TLS version accepted."`
}

// ManagementConfig is the operator's listener.
type ManagementConfig struct {
	Address string `yaml:"address" doc:"host:port to listen on; empty switches it off."`
}

// DatabaseConfig names the engine.
type DatabaseConfig struct {
	Driver   string `yaml:"driver" enum:"sqlite,postgres" doc:"The engine."`
	DSN      string `yaml:"dsn" secret:"url" doc:"sqlite: the path of the database file. postgres: postgres://user:password@host/database?sslmode=verify-full."`
	MaxConns int    `yaml:"max_conns" min:"0" max:"1000" doc:"The most connections to PostgreSQL at once; 0 means four per processor."`
	Migrate  bool   `yaml:"migrate" doc:"Apply pending migrations at start. Without it serve refuses to start while migrations are pending."`
}

// RedisConfig names the Redis server.
type RedisConfig struct {
	URL    string `yaml:"url" secret:"url" doc:"redis://user:password@host:6379/0, or rediss:// for TLS. Empty: short-lived values are kept in the database."`
	Prefix string `yaml:"prefix" doc:"Put in front of every key."`
}

// SecretsConfig is the master key.
type SecretsConfig struct {
	Master   string    `yaml:"master" secret:"key" doc:"The master key: 32 bytes in base64, as 'postern secrets generate' prints it."`
	Previous []string  `yaml:"previous" secret:"key" doc:"Earlier master keys, still able to open, until 'postern secrets rotate' has run."`
	KMS      KMSConfig `yaml:"kms" doc:"A key management service that wraps data keys: HashiCorp Vault's transit engine or OpenBao."`
}

// KMSConfig is a transit engine.
type KMSConfig struct {
	URL       string `yaml:"url" doc:"Address of the server, for example https://vault.example.com:8200."`
	Mount     string `yaml:"mount" doc:"Mount of its transit engine."`
	Key       string `yaml:"key" doc:"Name of the key in it."`
	Token     string `yaml:"token" secret:"text" doc:"Token that may encrypt and decrypt with that key."`
	TokenFile string `yaml:"token_file" doc:"File that holds the token instead; read at each use, so that an agent can renew it."`
}

// ProxiesConfig names who may speak for a client's address.
type ProxiesConfig struct {
	Trusted   []string `yaml:"trusted" doc:"CIDR ranges of reverse proxies that terminate TLS and report the client's address in X-Forwarded-For."`
	JA4Header string   `yaml:"ja4_header" doc:"Header in which they report the client's JA4 fingerprint of TLS, in place of any that the client sent. Empty: none."`
}

// PasswordConfig is sign-in by password.
type PasswordConfig struct {
	Enabled       bool   `yaml:"enabled" doc:"Whether people can sign in by password at all."`
	BlocklistFile string `yaml:"blocklist_file" doc:"Passwords nobody may choose, one a line, in addition to the built-in list."`
	MemoryKiB     int    `yaml:"memory_kib" min:"19456" max:"1048576" doc:"Memory of argon2id for new hashes, in KiB."`
	Passes        int    `yaml:"passes" min:"1" max:"16" doc:"Passes of argon2id for new hashes."`
	BreachFile    string `yaml:"breach_file" doc:"Leaked passwords in the range format of k-anonymity services: a directory of files by prefix, or one sorted file."`
	Threads       int    `yaml:"threads" min:"1" max:"16" doc:"Lanes of argon2id for new hashes."`
	Slots         int    `yaml:"slots" min:"0" max:"256" doc:"How many passwords are hashed at once; others wait. 0 means one a processor."`
	MinLength     int    `yaml:"min_length" min:"15" max:"256" doc:"The fewest characters of a password that is the only factor."`
	MinLength2    int    `yaml:"min_length_with_second" min:"8" max:"256" doc:"The fewest characters of a password beside a second factor."`
}

// PasskeysConfig is sign-in by passkey.
type PasskeysConfig struct {
	Enabled      bool     `yaml:"enabled" doc:"Whether people can make passkeys and sign in by them."`
	RPID         string   `yaml:"rp_id" doc:"The domain that passkeys belong to, for ever; empty is the host of the issuer. Changing it makes all passkeys useless."`
	Name         string   `yaml:"name" doc:"What people see as the name of the service when a passkey is made; empty is the domain."`
	Origins      []string `yaml:"related_origins" doc:"Further origins that may use these passkeys; published in /.well-known/webauthn."`
	Attestation  string   `yaml:"attestation" enum:"none,indirect,direct,enterprise" doc:"How much an authenticator has to prove of its make."`
	MetadataFile string   `yaml:"metadata_file" doc:"FIDO metadata blob (a JWS), fetched by you; needed for direct and enterprise."`
	MetadataRoot string   `yaml:"metadata_root" doc:"PEM file of the root certificate that the blob is signed under."`
}

// ApproversConfig is about the apps that approve.
type ApproversConfig struct {
	Roots    string `yaml:"attestation_roots" doc:"File with the root certificates, PEM, in which the key attestation of an app must end (Android); empty believes none."`
	Attested bool   `yaml:"attested" doc:"Whether only apps with an attested key can be enrolled."`
}

// RecoveryConfig is the way back into an account.
type RecoveryConfig struct {
	Enabled  bool     `yaml:"enabled" doc:"Whether a lost account can be recovered by mail."`
	Cooldown Duration `yaml:"cooldown" min:"1h" max:"14d" doc:"How long the owner can stop a recovery before a new way to sign in can be set; a recovery code or a code of the authenticator app ends the wait."`
}

// MailConfig is the SMTP server.
type MailConfig struct {
	Host     string `yaml:"host" doc:"Mail server; empty sends nothing."`
	Port     int    `yaml:"port" min:"1" max:"65535" doc:"Its port."`
	Security string `yaml:"security" enum:"starttls,tls,none" doc:"How the way there is protected; none is for a server on this machine."`
	Username string `yaml:"username" doc:"For authentication; empty for none."`
	Password string `yaml:"password" secret:"key" doc:"For authentication."`
	From     string `yaml:"from" doc:"The sender, for example Example ID <no-reply@example.com>."`
}

// GeoConfig is what is known of addresses: MMDB files, lists, and the table in the binary.
type GeoConfig struct {
	File          string   `yaml:"file" doc:"MMDB file with countries (GeoLite2-City, GeoLite2-Country, DB-IP and the like). From one with cities people also see how far away their sessions are. It wins over the table in the binary."`
	ASNFile       string   `yaml:"asn_file" doc:"MMDB file with autonomous systems (GeoLite2-ASN, DB-IP ASN and the like), unless geo.file has them. It wins over the table in the binary."`
	HostingFile   string   `yaml:"hosting_file" doc:"List of data centres: addresses, networks in CIDR form, ranges, and autonomous systems (AS64500), one a line. It adds to the large ones that the binary knows. Read again when it changes, as every list."`
	AnonymousFile string   `yaml:"anonymous_file" doc:"List of VPNs, proxies and relays."`
	TorFile       string   `yaml:"tor_file" doc:"List of the exits of Tor."`
	MobileFile    string   `yaml:"mobile_file" doc:"List of mobile carriers."`
	Embedded      bool     `yaml:"embedded" doc:"Use the table of countries and autonomous systems in the binary where no file has them. After 400 days it counts as unknown."`
	MaxAge        Duration `yaml:"max_age" min:"24h" doc:"Older than this an MMDB file counts as unknown; 'postern doctor' says so."`
	NoData        string   `yaml:"no_data" enum:"absent,unknown" doc:"What an address counts as where there is no data at all: absent asks nothing, unknown insists on a second factor."`
}

// SessionsConfig bounds sessions by the rung that the sign-in reached. NIST SP 800-63B-4 §2.
type SessionsConfig struct {
	AAL1    LifeConfig `yaml:"aal1" doc:"After one factor. A sign-in from a new device or country lives a quarter of it, from both a twelfth."`
	AAL2    LifeConfig `yaml:"aal2" doc:"After two factors."`
	PHR     LifeConfig `yaml:"phr" doc:"After two factors that resist phishing."`
	PHRH    LifeConfig `yaml:"phrh" doc:"After those in hardware that cannot be copied."`
	Bearer  Duration   `yaml:"bearer" min:"2m" max:"90d" doc:"The longest life of a session whose device proved no key of its own: its cookie alone is enough to use it."`
	Raised  Duration   `yaml:"raised" min:"1m" max:"1h" doc:"How long a step-up raises a session."`
	Rotate  Duration   `yaml:"rotate" min:"1m" max:"24h" doc:"How old the secret in a cookie may grow before it is replaced."`
	PerUser int        `yaml:"per_user" min:"1" max:"150" doc:"The most live sessions of a person; the oldest ends first."`
	Iframe  bool       `yaml:"management_iframe" doc:"Offer OpenID Connect Session Management: clients learn in a frame that somebody signed out. It needs a cookie that other sites' pages can make use of; browsers that keep such cookies back tell every client 'changed'."`
}

// LifeConfig bounds one kind of session.
type LifeConfig struct {
	Idle     Duration `yaml:"idle" min:"2m" max:"30d" doc:"It ends when unused for this long."`
	Absolute Duration `yaml:"absolute" min:"2m" max:"90d" doc:"It ends this long after the sign-in, used or not."`
}

// TokensConfig bounds what is issued.
type TokensConfig struct {
	Code         Duration `yaml:"code" min:"10s" max:"10m" doc:"Lifetime of an authorization code."`
	Access       Duration `yaml:"access" min:"30s" max:"24h" doc:"Lifetime of an access token, unless the client says otherwise."`
	ID           Duration `yaml:"id" min:"30s" max:"24h" doc:"Lifetime of an ID token."`
	Refresh      Duration `yaml:"refresh" min:"1m" max:"730d" doc:"Lifetime of a refresh token family with offline_access, unless the client says otherwise."`
	RefreshGrace Duration `yaml:"refresh_grace" min:"0s" max:"1m" doc:"Within it a replayed refresh token gets the same successor; after it the family is revoked."`
	Alg          string   `yaml:"alg" enum:"ES256,RS256,PS256,EdDSA" doc:"The signature algorithm of tokens, unless the client says otherwise."`
	Algs         []string `yaml:"algs" enum:"ES256,RS256,PS256,EdDSA" doc:"The algorithms that clients may choose from. Each has a key of its own. OpenID Connect wants RS256 among them."`
	Decryption   []string `yaml:"decryption" enum:"ECDH-ES,ECDH-ES+A128KW,ECDH-ES+A256KW,RSA-OAEP,RSA-OAEP-256" doc:"How clients may encrypt request objects to this server; empty: not at all. Those of RSA cost a key that is slow to make."`
}

// BackchannelConfig is CIBA.
type BackchannelConfig struct {
	Decisions bool `yaml:"decisions" doc:"FOR TESTS ONLY: a client with the scope postern:decide may approve and deny at /bc-decide in the place of people. Never where accounts are real."`
}

// DeviceConfig is the device grant. RFC 8628.
type DeviceConfig struct {
	Code      Duration `yaml:"code" min:"1m" max:"30m" doc:"How long the code that a device shows can be entered."`
	Elsewhere string   `yaml:"elsewhere" enum:"passkey,warn" doc:"What a device needs that is in another country than the person, or where one of both is not known: passkey insists on a fresh one, and refuses who has none; warn only says it."`
}

// RegistrationConfig is how clients come here by themselves. RFC 7591, RFC 7592, OAuth Client ID Metadata Document.
type RegistrationConfig struct {
	Mode       string   `yaml:"mode" enum:"off,token,open" doc:"Who may register clients at /register: nobody; whoever holds a token of 'postern client invite'; or everybody."`
	Profile    string   `yaml:"profile" enum:"oauth21,oidc" doc:"How strict the server is with such clients; see docs/clients.md."`
	Scopes     []string `yaml:"scopes" doc:"What they may ask for beside the scopes of OpenID Connect."`
	PerHour    int      `yaml:"per_hour" min:"0" max:"1000000" doc:"How many clients one network may register in an hour where everybody may; 0 is without limit."`
	MaxClients int      `yaml:"max_clients" min:"1" max:"1000000" doc:"The most clients that have registered themselves; more are refused."`
	Statements []string `yaml:"software_statement_issuers" doc:"Whose software statements are believed, each as ISSUER=FILE with a JWK set."`
	Documents  bool     `yaml:"client_id_documents" doc:"Whether a client_id may be the https URL of a document in which the client describes itself. It is fetched when somebody names it."`
}

// KeysConfig is the rotation of signing keys.
type KeysConfig struct {
	Rotate  Duration `yaml:"rotate" min:"1h" max:"365d" doc:"How long a key signs."`
	Ahead   Duration `yaml:"ahead" min:"1m" max:"90d" doc:"How long before it signs a key is published, so that caches know it."`
	Overlap Duration `yaml:"overlap" min:"1m" max:"90d" doc:"How long a key stays published after it last signed; at least the longest lifetime of what it signs."`
}

// AuditConfig is where checkpoints go, and how long addresses stay.
type AuditConfig struct {
	CheckpointFile  string   `yaml:"checkpoint_file" doc:"Signed checkpoints are appended here, outside the database; keep it on other storage. Empty: only 'postern audit checkpoint' makes them."`
	CheckpointEvery Duration `yaml:"checkpoint_every" min:"1m" max:"7d" doc:"How often."`

	AddressRetention Duration `yaml:"address_retention" min:"0s" max:"1000d" doc:"How long the addresses of people and programs are kept, beside the trail; 0: never. The trail verifies without them."`
}

// EgressConfig guards what this server fetches: keys, logos and documents of clients.
type EgressConfig struct {
	Allow []string `yaml:"allow" doc:"CIDR ranges that may be fetched from although they are not public. Only those of your own services."`
}

// TelemetryConfig is where traces go.
type TelemetryConfig struct {
	Endpoint string  `yaml:"endpoint" doc:"OTLP over HTTP, for example http://127.0.0.1:4318. Empty: no traces, at no cost."`
	Service  string  `yaml:"service" doc:"service.name of the traces."`
	Sample   float64 `yaml:"sample" min:"0" max:"1" doc:"The share of traces begun here that are kept."`
}

// LogConfig is how log lines look.
type LogConfig struct {
	Level  string `yaml:"level" enum:"debug,info,warn,error" doc:"The least level that is written."`
	Format string `yaml:"format" enum:"json,text" doc:"json for machines, text for people."`
}

const day = 24 * time.Hour

// Defaults returns the configuration where nothing is set. Every default of the product stands here.
func Defaults() Config {
	return Config{
		Listen:     ListenConfig{Address: "127.0.0.1:8080", TLS: TLSConfig{MinVersion: "1.2"}, Drain: Duration(15 * time.Second)},
		Management: ManagementConfig{Address: "127.0.0.1:9090"},
		Database:   DatabaseConfig{Driver: "sqlite", DSN: "postern.db"},
		Redis:      RedisConfig{Prefix: "postern:"},
		Secrets:    SecretsConfig{KMS: KMSConfig{Mount: "transit"}},
		Password:   PasswordConfig{Enabled: true, MemoryKiB: 19456, Passes: 2, Threads: 1, MinLength: 15, MinLength2: 8},
		Passkeys:   PasskeysConfig{Enabled: true, Attestation: "none"},
		Recovery:   RecoveryConfig{Enabled: true, Cooldown: Duration(day)},
		Mail:       MailConfig{Port: 587, Security: "starttls"},
		Geo:        GeoConfig{Embedded: true, MaxAge: Duration(45 * day), NoData: "absent"},
		Risk:       policy.DefaultConfig(),
		Sessions: SessionsConfig{
			AAL1: life(8*time.Hour, day), AAL2: life(time.Hour, day), PHR: life(time.Hour, day), PHRH: life(15*time.Minute, 12*time.Hour),
			Bearer: Duration(8 * time.Hour), Raised: Duration(10 * time.Minute), Rotate: Duration(15 * time.Minute), PerUser: 50,
		},
		Tokens: TokensConfig{
			Code: Duration(time.Minute), Access: Duration(5 * time.Minute), ID: Duration(5 * time.Minute),
			Refresh: Duration(30 * day), RefreshGrace: Duration(20 * time.Second),
			Alg: "ES256", Algs: []string{"ES256", "RS256"}, Decryption: []string{"ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A256KW"},
		},
		Device:       DeviceConfig{Code: Duration(10 * time.Minute), Elsewhere: "passkey"},
		Registration: RegistrationConfig{Mode: "off", Profile: "oidc", PerHour: 60, MaxClients: 10_000},
		Keys:         KeysConfig{Rotate: Duration(30 * day), Ahead: Duration(day), Overlap: Duration(2 * day)},
		Audit:        AuditConfig{CheckpointEvery: Duration(time.Hour), AddressRetention: Duration(90 * day)},
		Telemetry:    TelemetryConfig{Service: "postern", Sample: 1},
		Log:          LogConfig{Level: "info", Format: "json"},
	}
}

func life(idle, absolute time.Duration) LifeConfig {
	return LifeConfig{Duration(idle), Duration(absolute)}
}

// Duration is a time.Duration that also knows days: "90s", "15m", "12h", "30d", "1d12h".
type Duration time.Duration

// D is d as the standard library's type.
func (d Duration) D() time.Duration { return time.Duration(d) }

// String returns the shortest text that UnmarshalText reads back as d.
func (d Duration) String() string {
	rest := time.Duration(d)
	days := ""
	if rest >= day {
		days = strconv.FormatInt(int64(rest/day), 10) + "d"
		rest %= day
	}
	if rest == 0 && days != "" {
		return days
	}
	s := rest.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(s, zero) {
			s = s[:len(s)-2]
		}
	}
	return days + s
}

// MarshalText is String.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads "30d", "12h30m", "90s"; a bare number has no unit and is refused.
func (d *Duration) UnmarshalText(text []byte) error {
	s := string(text)
	var total time.Duration
	if n, rest, ok := strings.Cut(s, "d"); ok {
		days, err := strconv.ParseUint(n, 10, 16)
		if err != nil {
			return errDuration
		}
		total, s = time.Duration(days)*day, rest
		if s == "" {
			*d = Duration(total)
			return nil
		}
	}
	v, err := time.ParseDuration(s)
	if err != nil || v < 0 || v > 1000*day {
		return errDuration
	}
	*d = Duration(total + v)
	return nil
}
