// Command build makes the table of countries and autonomous systems that is part of the binary: riskstep/geo/world.bin. It
// reads comma-separated files of lines "first address,last address,country" and "first address,last address,number,name",
// and never fetches anything: scripts/geo-data does.
package main

import (
	"bytes"
	"encoding/csv"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/postern-id/postern/riskstep/geo"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "build:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	f := flag.NewFlagSet("build", flag.ContinueOnError)
	countries := f.String("countries", "", "files of countries, with commas between")
	systems := f.String("systems", "", "files of autonomous systems, with commas between")
	built := f.String("built", "", "day on which they were collected: 2006-01-02")
	out := f.String("o", "riskstep/geo/world.bin", "the table")
	if err := f.Parse(args); err != nil {
		return err
	}
	day, err := time.Parse(time.DateOnly, *built)
	if err != nil {
		return err
	}
	c, err := readAll(*countries, func(f *geo.Fact, s string) error {
		if f.Country = s; s == "ZZ" || len(s) != 2 { // nobody's
			f.Country = ""
		}
		return nil
	})
	if err != nil {
		return err
	}
	s, err := readAll(*systems, func(f *geo.Fact, s string) error {
		n, err := strconv.ParseUint(s, 10, 32)
		f.ASN = uint32(n)
		return err
	})
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := geo.WriteTable(&b, day, c, s); err != nil {
		return err
	}
	fmt.Printf("%d facts of countries, %d of autonomous systems: %d bytes\n", len(c), len(s), b.Len())
	return os.WriteFile(*out, b.Bytes(), 0o644)
}

func readAll(files string, third func(*geo.Fact, string) error) (facts []geo.Fact, err error) {
	for _, file := range strings.Split(files, ",") {
		r, err := os.Open(file)
		if err != nil {
			return nil, err
		}
		facts, err = read(facts, r, third)
		r.Close()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
	}
	return facts, nil
}

func read(facts []geo.Fact, r io.Reader, third func(*geo.Fact, string) error) ([]geo.Fact, error) {
	c := csv.NewReader(r)
	c.FieldsPerRecord, c.ReuseRecord = -1, true
	for {
		line, err := c.Read()
		if errors.Is(err, io.EOF) {
			return facts, nil
		}
		if err != nil {
			return nil, err
		}
		n, _ := c.FieldPos(0)
		if len(line) < 3 {
			return nil, fmt.Errorf("line %d: %d fields", n, len(line))
		}
		var f geo.Fact
		if f.First, err = netip.ParseAddr(line[0]); err == nil {
			if f.Last, err = netip.ParseAddr(line[1]); err == nil {
				err = third(&f, line[2])
			}
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		facts = append(facts, f)
	}
}
