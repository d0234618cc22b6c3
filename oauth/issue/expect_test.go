package issue_test

import "github.com/postern-id/postern/keys"

var expectJWT = keys.Expect{Algs: []string{"ES256"}, Typ: []string{"JWT"}, MaxSize: 8 << 10}
