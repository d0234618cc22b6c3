// Package conformance runs the OpenID Foundation's plans for OpenID providers in our own words: a subtest for every module
// of the official suite, under its name and in every variant that its plan prescribes, against the real binary over TLS.
// What it finds is docs/conformance.md, which every whole run compares; POSTERN_CONFORMANCE_WRITE=1 writes it anew.
//
//   - plans_test.go says which modules a plan runs in which variants, mod_*_test.go what a module does, check_*_test.go
//     what is checked everywhere; run_test.go is one module under way, report_test.go what it found.
//   - host_test.go is the relying party as the server sees it, visitor_test.go the person at a browser without scripts.
//
// A verdict is that of the suite: passed, warning, review (the suite wants a picture of a page: here the page's words are
// checked), skipped (for a reason that the suite accepts) or failed. All but failed certify.
package conformance
