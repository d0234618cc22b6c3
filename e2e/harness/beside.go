package harness

import (
	"net/http"
	"slices"
)

// Beside starts another node of the same installation: the same configuration on the same data, with ports of its own. Its
// Issuer is the address at which it listens; what it says of itself is the issuer of the first. Not with Dev.
func (s *Server) Beside() *Server {
	s.t.Helper()
	ports, err := freePorts(2)
	if err != nil {
		s.t.Fatal(err)
	}
	n := &Server{Issuer: "http://localhost:" + ports[0], Management: "http://127.0.0.1:" + ports[1], t: s.t, opt: s.opt, dir: s.t.TempDir(),
		log: &logBuffer{}, Transport: &http.Transport{MaxIdleConnsPerHost: 64}, args: s.args,
		conf: append(slices.Clone(s.conf), "POSTERN_LISTEN_ADDRESS=127.0.0.1:"+ports[0], "POSTERN_MANAGEMENT_ADDRESS=127.0.0.1:"+ports[1])}
	if err := n.launch(Binary(s.t)); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(n.finish)
	return n
}
