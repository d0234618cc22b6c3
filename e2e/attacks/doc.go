// Package attacks holds hostile requests against the real binary, black box: each test is named by its row in the catalogue
// of attacks (A redirection and front channel, C token endpoint, D tokens, E logout and sessions, I passwords and codes,
// L risk and transport). A refusal counts only if nothing changed by it and the same request made right succeeds after it.
package attacks
