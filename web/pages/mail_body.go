package pages

import (
	"html/template"
	plain "text/template"
)

// The two bodies say the same. What goes into the plain one needs no escaping: it is one line each, see line.
var plainMail = plain.Must(plain.New("mail").Parse(`{{.What}}

{{range .Lines}}{{.Name}}: {{.Value}}
{{end}}{{if .URL}}
{{.Go}}
{{.URL}}
{{end}}{{if .NotMeURL}}
{{.NotMe}}
{{.NotMeURL}}
{{end}}
-- 
{{.Foot}}
`))

// Programs that show mail know little CSS and drop style elements, so that what is needed stands with each element.
var richMail = template.Must(template.New("mail").Parse(`<!doctype html>
<html lang="{{.Lang}}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark"><title>{{.Brand}}</title></head>
<body style="margin:0;padding:24px;font:16px/1.6 system-ui,-apple-system,'Segoe UI','PingFang SC','Microsoft YaHei',sans-serif">
<div style="max-width:560px;margin:0 auto">
<p style="font-weight:600">{{.Brand}}</p>
<p style="font-size:18px">{{.What}}</p>
<table style="border-collapse:collapse">{{range .Lines}}<tr><th style="text-align:left;font-weight:400;padding:2px 16px 2px 0;vertical-align:top;white-space:nowrap;opacity:.75">{{.Name}}</th><td style="padding:2px 0;font-weight:600">{{.Value}}</td></tr>{{end}}</table>
{{if .URL}}<p>{{.Go}}<br><a href="{{.URL}}" style="word-break:break-all">{{.URL}}</a></p>
{{end}}{{if .NotMeURL}}<p>{{.NotMe}}<br><a href="{{.NotMeURL}}" style="word-break:break-all">{{.NotMeURL}}</a></p>
{{end}}<p style="font-size:13px;opacity:.75;border-top:1px solid;padding-top:12px">{{.Foot}}</p>
</div></body></html>
`))
