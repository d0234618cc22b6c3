// Package pages owns what people see: the templates of every page, the view structs that fill them,
// and their rendering. It never reads a request, decides nothing and knows no store: a handler gives
// it a Frame and a view, and gets bytes.
//
// A page works without a script and carries no inline style or script, so that the policy
//
//	default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; form-action 'self';
//	base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'
//
// holds for all of them. A form whose answer ends at a client answers 303 to a page of ours which shows
// Continue: under form-action 'self' a browser follows no redirect from a form to another origin.
package pages
