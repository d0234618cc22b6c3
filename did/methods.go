package did

import "time"

// Methods are all that this package has. now is the clock of those whose documents have dates.
func Methods(now func() time.Time) []Method {
	return []Method{KeyMethod{}, JWKMethod{}, WebMethod{}, NewWebVH(now), PeerMethod{}}
}
