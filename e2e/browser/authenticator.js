// A virtual authenticator of Chromium: a platform authenticator with resident keys whose owner is verified. Nobody
// touches it until a test says so (options may make it another one); otherwise Chromium would complete a conditional get() while the page still loads.
export async function authenticator(b, page = b.page, options = {}) {
  const cdp = await b.context.newCDPSession(page)
  await cdp.send('WebAuthn.enable', { enableUI: false })
  const { authenticatorId } = await cdp.send('WebAuthn.addVirtualAuthenticator', { options: { protocol: 'ctap2', ctap2Version: 'ctap2_1',
    transport: 'internal', hasResidentKey: true, hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: false, ...options } })
  const send = (method, more) => cdp.send(`WebAuthn.${method}`, { authenticatorId, ...more })
  const presence = (enabled) => send('setAutomaticPresenceSimulation', { enabled })
  return {
    presence,
    verified: (isUserVerified) => send('setUserVerified', { isUserVerified }),
    credentials: async () => (await send('getCredentials')).credentials,
    add: (credential) => send('addCredential', { credential }),
    remove: (credentialId) => send('removeCredential', { credentialId }),
    // touch clicks what begins a ceremony, for which the authenticator is then touched, until done. Whether it is
    // touched is decided when a request reaches it: one that waits already stays as it is.
    async touch(selector, done) {
      await presence(true)
      // A request that the page makes by itself (armed autofill, a named device) may reach the authenticator first, and
      // then takes the touch: the page goes on under the click. What counts is where it arrives.
      const click = page.click(selector, { timeout: 3000 }).catch(() => {})
      await done()
      await click
      await presence(false)
    },
    // once resolves to the next event of that name, for example credentialAdded.
    once: (name) => new Promise((resolve) => cdp.once(`WebAuthn.${name}`, resolve)),
  }
}
