// Command wallet serves the demo wallet alone, against any OpenID provider that knows its client and its API.
package main

import (
	"flag"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/postern-id/postern/examples/wallet"
)

func main() {
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	o := wallet.Options{Log: log, Now: time.Now, Secret: os.Getenv("WALLET_CLIENT_SECRET")}
	flag.StringVar(&o.Issuer, "issuer", "http://localhost:8080", "issuer identifier of the provider")
	flag.StringVar(&o.ClientID, "client-id", "demo-wallet", "client_id; its secret, if any, in WALLET_CLIENT_SECRET")
	flag.StringVar(&o.BaseURL, "base-url", "http://localhost:8090", "the wallet's own origin")
	flag.StringVar(&o.Audience, "audience", "", "resource identifier of the API (base-url + /api)")
	flag.StringVar(&o.Scope, "scope", "", "scope to ask for")
	listen := flag.String("listen", "127.0.0.1:8090", "address to listen on")
	flag.Parse()
	if err := run(o, *listen); err != nil {
		log.Error("wallet", "err", err)
		os.Exit(1)
	}
}

func run(o wallet.Options, listen string) error {
	h, err := wallet.New(o)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	o.Log.Info("demo wallet", "open", o.BaseURL, "redirect_uri", o.RedirectURI(), "resource", o.Resource())
	s := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 15 * time.Second, IdleTimeout: time.Minute}
	return s.Serve(l)
}
