package keys

import (
	"fmt"
	"strings"
	"testing"
)

// An object is searched one way while it is small and another way beyond; the border between them hides nothing.
func TestDuplicatesInObjectsOfEverySize(t *testing.T) {
	for n := 1; n <= 40; n++ {
		var list []string
		for i := range n {
			list = append(list, fmt.Sprintf(`"m%d":{"x":[%d]}`, i, i))
		}
		if err := unique([]byte("{" + strings.Join(list, ",") + "}")); err != nil {
			t.Fatalf("%d members: %v", n, err)
		}
		for i := range n {
			for _, name := range []string{fmt.Sprintf(`"m%d"`, i), fmt.Sprintf(`"\u006d%d"`, i)} {
				if unique([]byte("{"+strings.Join(list, ",")+","+name+":0}")) == nil {
					t.Errorf("%d members: %s twice is accepted", n, name)
				}
			}
		}
	}
}
