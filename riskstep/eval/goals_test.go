package eval

import (
	"fmt"
	"testing"

	"github.com/postern-id/postern/riskstep/model"
)

func TestFigures(t *testing.T) {
	w := Base()
	if raced {
		w.Users = 200
	} else {
		w.Users = 2000
	}
	s := Run(w, 1, contenders(model.Default()))
	o := Run(w, 2, contenders(model.Default()))
	fmt.Println(len(s.owners), "logins")
	for a := range Attackers {
		fmt.Printf("%-45s", a)
		for m := range s.Names {
			if m >= firstRule {
				fmt.Printf(" %s: %.4f@%.3f", s.Names[m], s.caught(m, a, 1), s.challenged(m, 1, returning))
				continue
			}
			t99, t95 := s.threshold(m, a, .99), s.threshold(m, a, .95)
			fmt.Printf(" %.4f/%.4f(%.4f %.3f)", s.challenged(m, t99, returning), s.challenged(m, t95, returning), o.challenged(m, t99, returning), o.caught(m, a, t99))
		}
		fmt.Println()
	}
	list := s.outcomes(0, prevalence)
	scale, shift := platt(list)
	test := o.outcomes(0, prevalence)
	fmt.Println("ece shipped", ece(test, sigmoid), "refit", ece(test, func(x float64) float64 { return sigmoid(scale*x + shift) }), scale, shift)
	fmt.Println("bytes", s.bytes[len(s.bytes)/2], s.bytes[len(s.bytes)-1])
}
