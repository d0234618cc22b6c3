package e2e

// cmdLog reads the log of revocations as a client: after= where it was, wait= for how many seconds.
func (st *stage) cmdLog(args []string, _ bool) (*outcome, error) {
	_, v := params(args)
	return answered(st.cast.RP(st.s, one(args)).Post("/revocations", v))
}
