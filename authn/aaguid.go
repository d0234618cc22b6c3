package authn

// ProviderOf names the product.
func ProviderOf(aaguid [16]byte) string { return "" }
