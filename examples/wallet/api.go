package wallet

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/postern-id/postern/verify"
)

const (
	openingBalance = 1250_00 // cents
	maxAccounts    = 10_000
)

// ledger is the demo API's data: a balance in cents for each subject.
type ledger struct {
	mu      sync.Mutex
	balance map[string]int64
}

// newAPI returns the demo API. All that protects it is verify: a scope to read, another one and a step-up to move.
func newAPI(rs *verify.ResourceServer, withdrawACR string) http.Handler {
	l := &ledger{balance: map[string]int64{}}
	read := rs.Require("wallet:read")
	move := rs.Require("wallet:move", verify.ACR(withdrawACR), verify.MaxAge(stepUpAge))
	mux := http.NewServeMux()
	mux.Handle("GET /api/balance", read(http.HandlerFunc(l.read)))
	mux.Handle("POST /api/withdraw", move(http.HandlerFunc(l.withdraw)))
	return mux
}

type account struct {
	Balance  string `json:"balance"`
	Currency string `json:"currency"`
}

func (l *ledger) read(w http.ResponseWriter, r *http.Request) {
	t, _ := verify.FromContext(r.Context())
	cents, _ := l.add(t.Subject, 0)
	reply(w, http.StatusOK, account{money(cents), "EUR"})
}

func (l *ledger) withdraw(w http.ResponseWriter, r *http.Request) {
	t, _ := verify.FromContext(r.Context())
	var in struct {
		Amount string `json:"amount"`
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		reply(w, http.StatusBadRequest, map[string]string{"error": "invalid_request", "error_description": "The body is not JSON"})
		return
	}
	amount, err := parseMoney(in.Amount)
	if err != nil {
		reply(w, http.StatusBadRequest, map[string]string{"error": "invalid_amount", "error_description": "The amount is not a sum of money"})
		return
	}
	cents, ok := l.add(t.Subject, -amount)
	if !ok {
		reply(w, http.StatusConflict, map[string]string{"error": "insufficient_funds", "error_description": "The balance is too small"})
		return
	}
	reply(w, http.StatusOK, account{money(cents), "EUR"})
}

// add changes the balance of subject by delta and returns it; false, unchanged, if it would fall below zero.
func (l *ledger) add(subject string, delta int64) (int64, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b, ok := l.balance[subject]
	if !ok {
		b = openingBalance
		if len(l.balance) >= maxAccounts {
			clear(l.balance) // a demo begins again
		}
	}
	if b+delta < 0 {
		return b, false
	}
	l.balance[subject] = b + delta
	return b + delta, true
}

// parseMoney reads "25", "25.5" or "25.00" as cents, more than nothing and at most a million.
func parseMoney(s string) (int64, error) {
	whole, frac, _ := strings.Cut(strings.TrimSpace(s), ".")
	if len(whole) > 7 || len(frac) > 2 {
		return 0, fmt.Errorf("wallet: %q is no amount", s)
	}
	n, err := strconv.ParseUint(whole+(frac + "00")[:2], 10, 32)
	if err != nil || n == 0 || n > 1_000_000_00 {
		return 0, fmt.Errorf("wallet: %q is no amount", s)
	}
	return int64(n), nil
}

// money writes cents as "1250.00".
func money(cents int64) string { return fmt.Sprintf("%d.%02d", cents/100, cents%100) }

func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v)
}
