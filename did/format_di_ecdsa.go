package did

// The suites of P-256 and P-384, which hash as their curve is long. Data Integrity ECDSA §3.2 and §3.3.
var (
	p256AndP384   = map[Curve]string{P256: "ES256", P384: "ES384"}
	ecdsaRDFC2019 = hashed(rdfcForms, p256AndP384)
	ecdsaJCS2019  = hashed(jcsForms, p256AndP384)
)
