package main

import (
	"context"
	"time"

	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/oauth/meta"
)

// revocationTopic is where nodes tell each other by Redis that the log of revocations has grown.
const revocationTopic = "revoked"

// How often the log is looked at: at leisure where hints come too, quickly where none do and other nodes may write.
const (
	feedHinted = 500 * time.Millisecond
	feedAlone  = 200 * time.Millisecond
)

// theFeed is what tells of revocations as they happen.
func (h *house) theFeed() *meta.Feed {
	if h.feed != nil {
		return h.feed
	}
	o := meta.FeedOptions{Store: h.db, Every: feedHinted}
	switch {
	case h.redis != nil:
		o.Publish = func(ctx context.Context) error { return h.redis.Publish(ctx, revocationTopic, []byte{1}) }
	case h.cfg.Database.Driver == "postgres":
		o.Every = feedAlone
	}
	h.feed = meta.NewFeed(o)
	return h.feed
}

// wrote hears that this process wrote to the log.
func (h *house) wrote() {
	if h.feed != nil {
		h.feed.Wrote()
	}
}

// runFeed runs the feed until ctx ends. A connection to Redis that is lost is made again by itself; meanwhile the feed
// looks by itself.
func (h *house) runFeed(ctx context.Context, report func(error)) error {
	if h.redis != nil {
		if err := h.redis.Subscribe(ctx, revocationTopic, func([]byte) { h.feed.Heard() }); err != nil {
			report(err)
		}
	}
	return h.feed.Run(ctx, report)
}

// remember has the log remember for as long as the longest access token lives.
func (h *house) remember(r *oauth.Registry) {
	h.db.AccessLives(max(h.cfg.Tokens.Access.D(), r.LongestAccess()))
}
