package web

import (
	"strconv"
	"time"

	"github.com/postern-id/postern/notify"
	"github.com/postern-id/postern/web/locales"
	"github.com/postern-id/postern/web/pages"
)

// MailWriter words the messages of notify with the pages' renderer. brand is what people call the service.
func MailWriter(brand string) (notify.Render, error) {
	words, err := locales.Load()
	if err != nil {
		return nil, err
	}
	p, err := pages.New(words)
	if err != nil {
		return nil, err
	}
	return func(m notify.Message, link string) (subject, text, html string, err error) {
		left, _ := strconv.Atoi(m.Data[notify.Left])
		until, _ := time.Parse(time.RFC3339, m.Data[notify.Until])
		return p.Mail(kinds[m.Kind], locales.Match(m.Lang), pages.MailData{Brand: brand, Account: m.Data[notify.Account],
			Factor: pages.Factor(m.Data[notify.Factor]), Name: m.Data[notify.Name], Left: left, Until: until, URL: m.Data[notify.URL], NotMeURL: link,
			Context: pages.Context{Device: m.Data[notify.Device], Country: m.Data[notify.Country], At: m.CreatedAt}})
	}, nil
}
