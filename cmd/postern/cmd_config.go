package main

import (
	"fmt"

	"go.yaml.in/yaml/v3"
)

type configCmd struct {
	Print    configPrintCmd    `cmd:"" help:"Print the configuration in force, secrets redacted."`
	Validate configValidateCmd `cmd:"" help:"Check the configuration and report every fault at once."`
	Schema   configSchemaCmd   `cmd:"" help:"Print the JSON Schema of the configuration file, for editors."`
}

type configPrintCmd struct {
	configFlags
	Output string `short:"o" enum:"yaml,json" default:"yaml" help:"yaml or json."`
}

func (c configPrintCmd) Run(t *terminal) error {
	cfg, err := c.load(t)
	if cfg == nil {
		return err
	}
	node := printable(cfg.Config)
	if c.Output == "json" {
		var v map[string]any
		if derr := node.Decode(&v); derr != nil {
			return derr
		}
		if perr := printJSON(t.out, v); perr != nil {
			return perr
		}
		return err
	}
	enc := yaml.NewEncoder(t.out)
	enc.SetIndent(2)
	if perr := enc.Encode(node); perr != nil {
		return perr
	}
	return err // what is wrong with it, after what it is
}

type configValidateCmd struct{ configFlags }

func (c configValidateCmd) Run(t *terminal) error {
	if _, err := c.load(t); err != nil {
		return err
	}
	fmt.Fprintln(t.out, "The configuration is valid.")
	return nil
}

type configSchemaCmd struct{}

func (configSchemaCmd) Run(t *terminal) error { return printJSON(t.out, schema()) }

type versionCmd struct{ outputFlags }

func (c versionCmd) Run(t *terminal) error {
	v := thisVersion()
	return c.print(t.out, table{rows: [][]string{{"postern " + v.Version + " (" + v.Go + " " + v.OS + "/" + v.Arch + ")"}}, json: v})
}
