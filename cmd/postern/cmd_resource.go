package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/store"
)

type resourceCmd struct {
	List   resourceListCmd   `cmd:"" help:"List the resources."`
	Show   resourceShowCmd   `cmd:"" help:"Show one resource."`
	Create resourceCreateCmd `cmd:"" help:"Declare a resource and its scopes."`
	Update resourceUpdateCmd `cmd:"" help:"Change a resource."`
	Delete resourceDeleteCmd `cmd:"" help:"Delete a resource; no new token is meant for it."`
}

// documentTable shows a document's members, one a row.
func documentTable(doc json.RawMessage) table {
	out := table{json: doc}
	var m map[string]json.RawMessage
	if json.Unmarshal(doc, &m) != nil {
		return out
	}
	for _, name := range slices.Sorted(maps.Keys(m)) {
		out.add(name, jsonWords(m[name]))
	}
	return out
}

// jsonWords is a value as people read it: texts without quotes, lists of texts separated by spaces.
func jsonWords(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	var list []string
	if json.Unmarshal(raw, &list) == nil {
		return strings.Join(list, " ")
	}
	return string(raw)
}

func joinComma(list []string) string { return strings.Join(list, ", ") }

type resourceListCmd struct {
	configFlags
	outputFlags
}

func (c resourceListCmd) Run(t *terminal) error {
	return c.operate(t, func(ctx context.Context, h *house) error {
		_, docs, _, err := h.db.Registry(ctx)
		if err != nil {
			return err
		}
		out := table{head: []string{"RESOURCE", "NAME", "SCOPES"}}
		list := []*oauth.Resource{}
		for _, d := range docs {
			r, err := oauth.ParseResource(d.JSON)
			if err != nil {
				return err
			}
			out.add(r.ID, dash(r.Name), dash(strings.Join(r.Scopes, " ")))
			list = append(list, r)
		}
		out.json = list
		return c.print(t.out, out)
	})
}

func (h *house) findResource(ctx context.Context, id string) (*oauth.Resource, error) {
	_, docs, _, err := h.db.Registry(ctx)
	if err != nil {
		return nil, err
	}
	for _, d := range docs {
		if d.ID == id {
			return oauth.ParseResource(d.JSON)
		}
	}
	return nil, fmt.Errorf("there is no resource %q: see 'postern resource list'", id)
}

type resourceShowCmd struct {
	configFlags
	outputFlags
	ID string `arg:"" name:"resource" help:"The resource's URI."`
}

func (c resourceShowCmd) Run(t *terminal) error {
	return c.operate(t, func(ctx context.Context, h *house) error {
		r, err := h.findResource(ctx, c.ID)
		if err != nil {
			return err
		}
		doc, err := json.Marshal(r)
		if err != nil {
			return err
		}
		return c.print(t.out, documentTable(doc))
	})
}

// resourceFlags describe a resource; on update what is not given stays.
type resourceFlags struct {
	ID    string   `arg:"" name:"resource" help:"The resource's URI: the aud of its tokens."`
	Name  string   `help:"The name that people see."`
	Scope []string `sep:"," help:"A scope of it. May be repeated."`
}

func (f resourceFlags) put(ctx context.Context, h *house, r *oauth.Resource) error {
	if f.Name != "" {
		r.Name = f.Name
	}
	if len(f.Scope) > 0 {
		r.Scopes = f.Scope
	}
	doc, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if _, err := oauth.ParseResource(doc); err != nil {
		return err
	}
	return h.putResource(ctx, r.ID, doc)
}

type resourceCreateCmd struct {
	configFlags
	resourceFlags
}

func (c resourceCreateCmd) Run(t *terminal) error {
	return c.operate(t, func(ctx context.Context, h *house) error {
		if _, err := h.findResource(ctx, c.ID); err == nil {
			return fmt.Errorf("there is a resource %q already", c.ID)
		}
		if err := c.put(ctx, h, &oauth.Resource{ID: c.ID}); err != nil {
			return err
		}
		fmt.Fprintln(t.out, "created resource", c.ID)
		return nil
	})
}

type resourceUpdateCmd struct {
	configFlags
	resourceFlags
}

func (c resourceUpdateCmd) Run(t *terminal) error {
	return c.operate(t, func(ctx context.Context, h *house) error {
		r, err := h.findResource(ctx, c.ID)
		if err != nil {
			return err
		}
		if err := c.put(ctx, h, r); err != nil {
			return err
		}
		fmt.Fprintln(t.out, "updated resource", c.ID)
		return nil
	})
}

type resourceDeleteCmd struct {
	configFlags
	ID string `arg:"" name:"resource" help:"The resource's URI."`
}

func (c resourceDeleteCmd) Run(t *terminal) error {
	return c.operate(t, func(ctx context.Context, h *house) error {
		if _, err := h.findResource(ctx, c.ID); err != nil {
			return err
		}
		if err := h.record(ctx, audit.Event{Type: "resource.deleted", Data: map[string]string{"resource": c.ID}}); err != nil {
			return err
		}
		err := h.db.DeleteResource(ctx, c.ID)
		if errors.Is(err, store.ErrNotFound) {
			err = fmt.Errorf("there is no resource %q any more", c.ID)
		}
		if err == nil {
			fmt.Fprintln(t.out, "deleted resource", c.ID)
		}
		return err
	})
}
