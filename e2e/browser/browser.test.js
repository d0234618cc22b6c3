// The pages in a real browser: npm test. CHROMIUM names another browser than /usr/bin/chromium, SCREENSHOTS a directory
// for pictures of every page.
import { after, before } from 'node:test'
import account from './account.js'
import binding from './binding.js'
import budgets from './budgets.js'
import ceremonies from './ceremonies.js'
import { launch } from './chromium.js'
import device from './device.js'
import logout from './logout.js'
import newcomer from './newcomer.js'
import passkeys from './passkeys.js'
import pages from './pages.js'
import pseudo from './pseudo.js'
import push from './push.js'
import redirects from './redirects.js'
import { start } from './server.js'

let browser, server
before(async () => { [server, browser] = await Promise.all([start(), launch()]) })
after(async () => {
  await browser?.close()
  await server?.stop()
})

for (const suite of [newcomer, redirects, passkeys, ceremonies, account, budgets, pages, pseudo, push, logout, device, binding]) suite(() => browser, () => server)
