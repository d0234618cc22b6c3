package eval

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/netip"
	"strconv"

	"github.com/postern-id/postern/riskstep/model"
	"github.com/postern-id/postern/riskstep/policy"
)

// Options say how logins are replayed.
type Options struct {
	Model  *model.Model
	Key    []byte                                                    // of the hashes in memory; any will do
	Locate func(netip.Addr) model.Net                                // for addresses that come without a net; nil: there is no data
	Policy *policy.Policy                                            // what follows
	Tell   func(i int, l *model.Login, r *model.Result, learnt bool) // told of every line; may be nil
}

// LineError is what is wrong with a line of the input, the first of which is 1.
type LineError struct {
	Line int
	Err  error
}

func (e *LineError) Error() string { return fmt.Sprintf("line %d: %v", e.Line, e.Err) }
func (e *LineError) Unwrap() error { return e.Err }

// Replay scores logins as if they happened again, each before it is learnt, and writes one line of JSON for each: its
// number in the input from 0, the probability of an attack, its log-odds, what follows, and what each signal adds in
// bits. It returns how many it wrote. Input is lines of JSON or the CSV of RBA's data set, told apart by the first line.
// It keeps what the model remembers of each person, and one line. On an error (*LineError where a line is wrong) out has
// whole lines for all that came before.
func Replay(ctx context.Context, in io.Reader, out io.Writer, o Options) (n int, err error) {
	r := &replay{Options: o, memory: model.NewMemory(o.Model, o.Key), decider: newDecider(o.Policy), out: bufio.NewWriterSize(out, 1<<16)}
	defer func() { err = errors.Join(err, r.out.Flush()) }()
	src := bufio.NewReaderSize(in, maxLine)
	if head, err := src.Peek(3); err == nil && string(head) == "\ufeff" {
		_, _ = src.Discard(3)
	}
	if head, _ := src.Peek(len(rbaHead)); string(head) == rbaHead {
		err = r.csv(ctx, src)
	} else {
		err = r.lines(ctx, src)
	}
	return r.n, err
}

type replay struct {
	Options
	memory *model.Memory
	*decider
	out *bufio.Writer
	buf []byte
	n   int
}

func (r *replay) lines(ctx context.Context, src *bufio.Reader) error {
	rd, rec := newReader(), record{}
	for i, number := 0, 1; ; number++ {
		line, err := src.ReadSlice('\n')
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			return &LineError{number, fault("longer than %d bytes", maxLine)}
		case err != nil && !errors.Is(err, io.EOF):
			return err
		}
		last := err != nil
		if line = bytes.TrimSpace(line); len(line) > 0 {
			if err := rd.read(line, &rec); err != nil {
				return &LineError{number, err}
			}
			if !rec.hasNet && r.Locate != nil && rec.IP.IsValid() {
				rec.Net = r.Locate(rec.IP)
			}
			if err := r.one(i, &rec); err != nil {
				return &LineError{number, err}
			}
			i++
		}
		if last {
			return nil
		}
		if number%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// one scores a login, writes what came out, and learns.
func (r *replay) one(i int, rec *record) error {
	res := r.memory.Score(&rec.Login)
	ring := r.memory.Ring(rec.User)
	action, err := r.decide(&rec.Login, ring, &res)
	if err != nil {
		return err
	}
	if r.buf, err = appendResult(r.buf[:0], i, &res, action); err != nil {
		return err
	}
	if _, err := r.out.Write(r.buf); err != nil {
		return err
	}
	r.n++
	if rec.learn {
		r.learnt(&rec.Login, ring, res.Score)
		r.memory.Learn(&rec.Login)
	}
	if r.Tell != nil {
		r.Tell(i, &rec.Login, &res, rec.learn)
	}
	return nil
}

func appendResult(b []byte, i int, res *model.Result, action string) ([]byte, error) {
	if math.IsNaN(res.P) || math.IsNaN(res.Score) || math.IsInf(res.Score, 0) {
		return nil, errors.New("eval: the model gave no number")
	}
	b = strconv.AppendInt(append(b, `{"i":`...), int64(i), 10)
	b = strconv.AppendFloat(append(b, `,"p":`...), res.P, 'g', 6, 64)
	b = appendFixed(append(b, `,"score":`...), res.Score, 6)
	b = append(append(b, `,"action":"`...), action...)
	b = append(b, `","reasons":[`...)
	for k := range res.Reasons {
		if k > 0 {
			b = append(b, ',')
		}
		b = append(append(b, `{"signal":"`...), res.Reasons[k].Signal...)
		b = appendFixed(append(b, `","bits":`...), res.Reasons[k].Bits, 3)
		b = append(b, '}')
	}
	return append(b, "]}\n"...), nil
}

// appendFixed writes f with digits after the point, several times as fast as strconv, which is exact.
func appendFixed(b []byte, f float64, digits int) []byte {
	scale := [...]float64{1, 10, 100, 1e3, 1e4, 1e5, 1e6}[digits]
	n := math.Round(math.Abs(f) * scale)
	if n >= 1<<52 {
		return strconv.AppendFloat(b, f, 'g', -1, 64)
	}
	if f < 0 && n > 0 {
		b = append(b, '-')
	}
	whole, rest := uint64(n)/uint64(scale), uint64(n)%uint64(scale)
	b = strconv.AppendUint(b, whole, 10)
	if rest == 0 {
		return b
	}
	b = append(b, '.')
	for unit := uint64(scale) / 10; rest > 0; unit /= 10 {
		b = append(b, byte('0'+rest/unit))
		rest %= unit
	}
	return b
}
