package pages

func (Login) page() string         { return "login" }
func (Code) page() string          { return "code" }
func (RecoveryCode) page() string  { return "recoverycode" }
func (PasskeyPrompt) page() string { return "passkeyprompt" }
func (Consent) page() string       { return "consent" }
func (Continue) page() string      { return "continue" }
func (Logout) page() string        { return "logout" }
func (SignedOut) page() string     { return "signedout" }
func (Finished) page() string      { return "finished" }
func (Error) page() string         { return "error" }
func (Overview) page() string      { return "overview" }
func (Sessions) page() string      { return "sessions" }
func (Apps) page() string          { return "apps" }
func (Activity) page() string      { return "activity" }
func (Passkeys) page() string      { return "passkeys" }
func (TOTP) page() string          { return "totp" }
func (RecoveryCodes) page() string { return "recoverycodes" }
func (Password) page() string      { return "password" }
func (Settings) page() string      { return "settings" }
func (NotMe) page() string         { return "notme" }
func (Recover) page() string       { return "recover" }
func (RecoverWait) page() string   { return "recoverwait" }
func (RecoverSet) page() string    { return "recoverset" }
func (Notice) page() string        { return "notice" }
func (Outbox) page() string        { return "outbox" }
func (OutboxMail) page() string    { return "outboxmail" }
