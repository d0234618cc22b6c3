// Package oauth owns the protocol's words: Client, Resource, Interaction, Grant, Consent, Error,
// and the Store interfaces that keep them. It is the only importer of fosite, which reads and checks
// authorization requests here. It has no endpoint: those stand in the folders below, each beside the
// specification that it follows.
package oauth
