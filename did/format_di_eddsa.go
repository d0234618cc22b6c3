package did

// The suites of Ed25519. Data Integrity EdDSA §3.2 and §3.3.
var (
	onlyEd25519   = map[Curve]string{Ed25519: "EdDSA"}
	eddsaRDFC2022 = hashed(rdfcForms, onlyEd25519)
	eddsaJCS2022  = hashed(jcsForms, onlyEd25519)
)
