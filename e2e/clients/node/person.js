// A person at a browser without scripts: opens an address, fills in every form that it meets, and returns the URL at
// which the client takes over.
import { person } from './server.js'

const entities = { amp: '&', lt: '<', gt: '>', quot: '"' }
const decode = (s) => s.replace(/&(?:#(\d+)|#x([0-9a-f]+)|(\w+));/gi, (all, dec, hex, name) =>
  dec ? String.fromCodePoint(dec) : hex ? String.fromCodePoint(parseInt(hex, 16)) : entities[name] ?? all)

const attributes = (tag) => Object.fromEntries([...tag.matchAll(/([\w-]+)="([^"]*)"/g)].map(([, k, v]) => [k, decode(v)]))

const tags = (html, name) => [...html.matchAll(new RegExp(`<${name}\\b[^>]*>`, 'g'))].map(([tag]) => attributes(tag))

export class Browser {
  #cookies = new Map() // by origin and name: what a jar needs here
  #typed

  constructor(who = person) {
    this.#typed = { identifier: who.username, password: who.password }
  }

  // walk ends at the first URL for which stop is true, which it does not fetch.
  async walk(address, stop) {
    let form
    for (let hop = 0, url = new URL(address); hop < 20; hop++) {
      if (stop(url)) return url
      const res = await this.#fetch(url, form)
      form = undefined
      if (res.status === 302 || res.status === 303) {
        url = new URL(res.headers.get('location'), url)
        continue
      }
      const html = await res.text()
      if (res.status !== 200) throw new Error(`${url}: ${res.status}: ${html.replace(/<[^>]*>/g, ' ').replace(/\s+/g, ' ')}`)
      const refresh = tags(html, 'meta').find((m) => m['http-equiv'] === 'refresh')
      if (refresh) {
        url = new URL(refresh.content.replace(/^0;url=/, ''), url)
        continue
      }
      const post = tags(html, 'form').find((f) => f.method?.toLowerCase() === 'post')
      if (!post) throw new Error(`${url} leads nowhere: ${html}`)
      form = new URLSearchParams(tags(html, 'input').map((i) => [i.name, this.#typed[i.name] ?? i.value ?? '']))
      const yes = tags(html, 'button').find((b) => b.value === 'allow' || b.value === 'yes')
      if (yes) form.set('decision', yes.value)
      url = new URL(post.action, url)
    }
    throw new Error('sent in circles')
  }

  async text(address) {
    return (await this.#fetch(new URL(address))).text()
  }

  // press presses a button of the page at address, and returns the page that comes of it.
  async press(address, name, value) {
    const csrf = tags(await this.text(address), 'input').find((i) => i.name === 'csrf').value
    return (await this.#fetch(new URL(address), new URLSearchParams({ csrf, [name]: value }))).text()
  }

  // refuse says no to the device whose code is in address, and returns the page that says so.
  async refuse(address) {
    let html = await this.text(address)
    for (const decision of [undefined, 'no']) {
      const form = new URLSearchParams(tags(html, 'input').map((i) => [i.name, i.value ?? '']))
      if (decision) form.set('decision', decision)
      html = await (await this.#fetch(new URL(tags(html, 'form')[0].action, address), form)).text()
    }
    return html
  }

  async json(address) {
    return (await this.#fetch(new URL(address))).json()
  }

  async #fetch(url, form) {
    const key = (name) => `${url.origin} ${name}`
    const mine = [...this.#cookies].filter(([k]) => k.startsWith(`${url.origin} `)).map(([k, v]) => `${k.split(' ')[1]}=${v}`)
    const headers = { cookie: mine.join('; ') }
    if (form) Object.assign(headers, { origin: 'null', 'sec-fetch-site': 'same-origin' })
    const res = await fetch(url, { redirect: 'manual', headers, method: form ? 'POST' : 'GET', body: form })
    for (const cookie of res.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(cookie)
      this.#cookies.set(key(name), value)
    }
    return res
  }
}

// signIn returns the URL of the client with the authorization response in it.
export const signIn = (address, redirectURI) => new Browser().walk(address, (url) => url.href.startsWith(redirectURI))
