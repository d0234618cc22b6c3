package eval

import (
	"bufio"
	"context"
	"encoding/csv"
	"errors"
	"io"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/postern-id/postern/riskstep/model"
)

// rbaHead is how the CSV of RBA's data set begins (Wiefling et al., TOPS 2022).
const rbaHead = "index,Login Timestamp,User ID,"

// rbaNobody is the user of all logins whose user is not known, a third of the data set.
const rbaNobody = "-4324475583306591935"

// rbaColumns are those that the model has a use for. Round-trip times are not among them: they are there for one row in
// twenty-five.
var rbaColumns = []string{"Login Timestamp", "User ID", "IP Address", "Country", "City", "ASN", "User Agent String", "Login Successful", "Is Account Takeover"}

// csv replays rows of the data set. i is the number of the row from 0; those of nobody are left out. A takeover is
// scored and forgotten: the data says that it was not its owner.
func (r *replay) csv(ctx context.Context, src *bufio.Reader) error {
	rows := csv.NewReader(src)
	rows.ReuseRecord = true
	head, err := rows.Read()
	if err != nil {
		return &LineError{1, err}
	}
	col := make([]int, len(rbaColumns))
	for k, name := range rbaColumns {
		if col[k] = slices.Index(head, name); col[k] < 0 {
			return &LineError{1, fault("there is no column %q", name)}
		}
	}
	rd, rec := newReader(), record{}
	for i := 0; ; i++ {
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		line, _ := rows.FieldPos(0)
		var bad *csv.ParseError
		if errors.As(err, &bad) {
			return &LineError{bad.Line, bad.Err}
		}
		if err != nil {
			return err
		}
		if row[col[1]] == rbaNobody {
			continue
		}
		if err := rd.row(row, col, &rec); err != nil {
			return &LineError{line, err}
		}
		if err := r.one(i, &rec); err != nil {
			return &LineError{line, err}
		}
		if i%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

func (rd *reader) row(row []string, col []int, rec *record) error {
	get := func(k int) string { return row[col[k]] }
	*rec = record{learn: true, hasNet: true}
	var err error
	if rec.At, err = time.Parse("2006-01-02 15:04:05.999999999", get(0)); err != nil {
		return fault("Login Timestamp: %.40q is no time", get(0))
	}
	if rec.User = strings.Clone(get(1)); rec.User == "" || len(rec.User) > maxName {
		return fault("User ID: is missing or longer than %d bytes", maxName)
	}
	if ip := get(2); ip != "" {
		if rec.IP, err = netip.ParseAddr(ip); err != nil {
			return fault("IP Address: %.64q is no address", ip)
		}
	}
	rec.Net.State = model.Unknown
	if c := get(3); isCountry(c) {
		rec.Net.Country, rec.Net.State = rd.word([]byte(c)), model.Known
	}
	if city := get(4); len(city) <= maxName && city != "-" {
		rec.Net.City = rd.word([]byte(city))
	}
	if asn := get(5); asn != "" {
		n, err := strconv.ParseUint(asn, 10, 32)
		if err != nil {
			return fault("ASN: %.20q is no number of 32 bits", asn)
		}
		rec.Net.ASN, rec.Net.State = uint32(n), model.Known
	}
	rd.agent(rec, []byte(get(6)))
	ok, err := strconv.ParseBool(get(7))
	if err != nil {
		return fault("Login Successful: %.16q is neither True nor False", get(7))
	}
	taken, err := strconv.ParseBool(get(8))
	if err != nil {
		return fault("Is Account Takeover: %.16q is neither True nor False", get(8))
	}
	rec.Failed, rec.learn = !ok, !taken
	return nil
}
