package did

import (
	"slices"
	"strings"
)

// What the terms of a DataIntegrityProof become under credentials/v2 and data-integrity/v2: a predicate, and what its values
// are. The contexts are pinned and protect these terms, so that nothing needs to be expanded. Data Integrity §2.1.
var optionTerms = map[string]struct {
	predicate string
	object    func(s string) (string, error)
}{
	"type":               {rdfNS + "type", securityTerm("DataIntegrityProof")},
	"proofPurpose":       {security + "proofPurpose", purposeTerm},
	"verificationMethod": {security + "verificationMethod", iri},
	"previousProof":      {security + "previousProof", iri},
	"cryptosuite":        {security + "cryptosuite", typed(security + "cryptosuiteString")},
	"created":            {"http://purl.org/dc/terms/created", typed(xsdNS + "dateTime")},
	"expires":            {security + "expiration", typed(xsdNS + "dateTime")},
	"challenge":          {security + "challenge", typed("")},
	"domain":             {security + "domain", typed("")},
	"nonce":              {security + "nonce", typed("")},
}

const security = "https://w3id.org/security#"

func typed(datatype string) func(string) (string, error) {
	return func(s string) (string, error) {
		if datatype == "" {
			return quoted(s), nil
		}
		return quoted(s) + "^^<" + datatype + ">", nil
	}
}

func securityTerm(only string) func(string) (string, error) {
	return func(s string) (string, error) {
		if s != only {
			return "", errNotPlain
		}
		return "<" + security + s + ">", nil
	}
}

func purposeTerm(s string) (string, error) {
	switch Relationship(s) {
	case AssertionMethod:
		return "<" + security + "assertionMethod>", nil
	case Authentication:
		return "<" + security + "authenticationMethod>", nil
	}
	return "", errNotPlain
}

// plainOptions are the canonical N-Quads of the options o under the contexts; false if they say more than optionTerms knows,
// and must be read as JSON-LD.
func plainOptions(o object, contexts any) (string, bool) {
	urls, _ := texts(contexts)
	if !slices.ContainsFunc(urls, func(url string) bool { return url == contextV2 || url == "https://w3id.org/security/data-integrity/v2" }) {
		return "", false
	}
	self := "_:c14n0" // the only blank node there is
	if v, found := o["id"]; found {
		id, err := iri(text(v))
		if err != nil {
			return "", false
		}
		self = id
	}
	var lines []string
	for name, v := range o {
		if name == "id" {
			continue
		}
		t, known := optionTerms[name]
		values, ok := texts(v)
		if !known || !ok || v == nil {
			return "", false
		}
		for _, s := range values {
			object, err := t.object(s)
			if err != nil {
				return "", false
			}
			lines = append(lines, self+" <"+t.predicate+"> "+object+" .\n")
		}
	}
	slices.Sort(lines)
	return strings.Join(slices.Compact(lines), ""), true
}
