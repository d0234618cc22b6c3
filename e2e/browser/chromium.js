// The system's Chromium, driven by playwright-core, and what every page of it is held against.
import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import path from 'node:path'
import { chromium } from 'playwright-core'

export function launch() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync', '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1'],
  })
}

// open returns a page of a new profile. faults() are the complaints in its console so far, for example violations of the
// content security policy. That a document has an error status is none: pages of errors have one.
export async function open(browser, options = {}) {
  const context = await browser.newContext({ locale: 'en-US', ...options })
  const page = await context.newPage()
  page.setDefaultTimeout(15_000)
  const faults = []
  page.on('console', (m) => {
    if (['error', 'warning'].includes(m.type()) && !/the server responded with a status of 4\d\d/.test(m.text())) faults.push(`${page.url()}: ${m.text()}`)
  })
  page.on('pageerror', (e) => faults.push(`${page.url()}: ${e.message}`))
  const clean = () => assert.deepEqual(faults, [])
  return { page, context, faults, clean, close: () => context.close() }
}

// shot keeps a picture of a page where SCREENSHOTS names a directory.
export async function shot(page, name) {
  const dir = process.env.SCREENSHOTS
  if (!dir) return
  mkdirSync(dir, { recursive: true })
  await page.screenshot({ path: path.join(dir, `${name}.png`), fullPage: true, animations: 'disabled' })
}

export async function signIn(page, person) {
  await page.fill('[name=identifier]', person.username)
  await page.fill('[name=password]', person.password)
  await page.click('form[action$="/login"] button.primary')
}

export const allow = (page) => page.click('button[name=decision][value=allow]')

export async function enterCode(page, code) {
  await page.fill('[name=code]', code)
  await page.click('form[action$="/code"] button.primary')
}
