package authn

import (
	"bytes"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Breached says that a password is on a list of those that leaked; a code of WeakPassword.
const Breached = "breached"

// Unchanged says that a password is the one before; a code of WeakPassword.
const Unchanged = "unchanged"

const (
	maxRange = 4 << 20 // bytes of one range; those that are published have some 40 KiB
	maxLine  = 128
)

// breaches is a list of SHA-1 hashes of leaked passwords, in the form in which they are published for k-anonymity: a
// directory with a file for each five hexadecimal digits (as downloaded, with or without .txt) whose lines are the other
// 35 digits, a colon and a count; or one file of whole hashes in order. Neither is read into memory.
// SHA-1 is what those lists are made with; nothing here relies on it.
type breaches struct {
	dir  string
	file *os.File
	size int64
}

// openBreaches opens the list at path; nil for "". A file of whole hashes must be in order.
func openBreaches(path string) (*breaches, error) {
	if path == "" {
		return nil, nil
	}
	st, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("authn: breach list: %w", err)
	}
	if st.IsDir() {
		b := &breaches{dir: path}
		if _, err := b.ranged("00000"); err != nil {
			return nil, err
		}
		return b, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("authn: breach list: %w", err)
	}
	b := &breaches{file: f, size: st.Size()}
	if _, _, err := b.lineAt(0); err != nil {
		f.Close()
		return nil, err
	}
	return b, nil
}

// has says whether password leaked. An error means that the list cannot be read.
func (b *breaches) has(password string) (bool, error) {
	if b == nil {
		return false, nil
	}
	sum := sha1.Sum([]byte(password))
	hash := strings.ToUpper(hex.EncodeToString(sum[:]))
	if b.dir == "" {
		return b.search(hash)
	}
	lines, err := b.ranged(hash[:5])
	if err != nil {
		return false, err
	}
	return inRange(lines, hash[5:]), nil
}

// ranged returns the lines of the range with prefix.
func (b *breaches) ranged(prefix string) ([]byte, error) {
	var f *os.File
	var err error
	for _, name := range []string{prefix, prefix + ".txt", strings.ToLower(prefix), strings.ToLower(prefix) + ".txt"} {
		if f, err = os.Open(filepath.Join(b.dir, name)); !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	if err != nil { // also where the range is missing: a list with holes says nothing
		return nil, fmt.Errorf("authn: breach list: %w", err)
	}
	defer f.Close()
	lines, err := io.ReadAll(io.LimitReader(f, maxRange+1))
	if err != nil {
		return nil, fmt.Errorf("authn: breach list: %w", err)
	}
	if len(lines) > maxRange {
		return nil, fmt.Errorf("authn: breach list: range %s is over %d MiB", prefix, maxRange>>20)
	}
	return lines, nil
}

// inRange says whether a line of a range is about suffix; those with a count of zero are padding.
func inRange(lines []byte, suffix string) bool {
	for line := range bytes.Lines(lines) {
		if hash, leaked := entryOf(line); leaked && strings.EqualFold(hash, suffix) {
			return true
		}
	}
	return false
}

// entryOf reads "HASH:COUNT"; leaked is false for padding. A line without a count counts.
func entryOf(line []byte) (hash string, leaked bool) {
	h, count, counted := strings.Cut(strings.TrimSpace(string(line)), ":")
	return h, !counted || strings.Trim(count, "0") != ""
}

// search looks hash up in the file by halves: some 35 reads for all that ever leaked.
func (b *breaches) search(hash string) (bool, error) {
	lo, hi := int64(0), b.size // what is looked for begins in [lo, hi)
	for lo < hi {
		mid := lo + (hi-lo)/2
		line, begin, err := b.lineAt(mid)
		if err != nil {
			return false, err
		}
		if begin >= hi { // no line begins behind mid: only the first half is left
			hi = mid
			continue
		}
		got, leaked := entryOf(line)
		switch got = strings.ToUpper(got); {
		case got == hash:
			return leaked, nil
		case got < hash:
			lo = begin + int64(len(line))
		default:
			hi = mid
		}
	}
	return false, nil
}

// lineAt returns the first line that begins at or after at, and where it begins; the end of the file where none does.
func (b *breaches) lineAt(at int64) (line []byte, begin int64, err error) {
	from := max(at-1, 0) // a line begins at at where a line feed stands in front of it
	buf := make([]byte, 2*maxLine)
	n, err := b.file.ReadAt(buf, from)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, 0, fmt.Errorf("authn: breach list: %w", err)
	}
	last := err != nil
	buf = buf[:n]
	begin = from
	if at > 0 {
		i := bytes.IndexByte(buf, '\n')
		if i < 0 && last {
			return nil, b.size, nil
		}
		if i < 0 {
			return nil, 0, errors.New("authn: breach list: a line is too long")
		}
		begin, buf = from+int64(i)+1, buf[i+1:]
	}
	if i := bytes.IndexByte(buf, '\n'); i >= 0 {
		buf = buf[:i+1]
	} else if !last {
		return nil, 0, errors.New("authn: breach list: a line is too long")
	}
	if len(buf) == 0 {
		return nil, b.size, nil
	}
	if hash, _ := entryOf(buf); !isSHA1(hash) {
		return nil, 0, errors.New("authn: breach list: not a list of SHA-1 hashes, one a line")
	}
	return buf, begin, nil
}

func isSHA1(s string) bool {
	_, err := hex.DecodeString(s)
	return err == nil && len(s) == 2*sha1.Size
}
