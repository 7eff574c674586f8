import tailwindcss from '@tailwindcss/vite';
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vitest/config';

const SERVER = 'http://127.0.0.1:3000';

const TESTS = ['src/**/*.test.{ts,tsx}'];
/** The tests that call `vi.mock`. */
const REPLACING_MODULES = ['src/realtime/RealtimeProvider.test.tsx'];

export default defineConfig({
  plugins: [react(), tailwindcss()],
  // pages.py puts another nonce in its place each time it serves the page.
  html: { cspNonce: 'CSP_NONCE' },
  build: { outDir: '../static', emptyOutDir: true, target: 'es2022' },
  server: { proxy: { '/api': SERVER, '/socket.io': { target: SERVER, ws: true } } },
  test: {
    environment: 'jsdom',
    restoreMocks: true,
    // The contrast of its colours is tested.
    css: { include: [/index\.css\?raw/] },
    projects: [
      // Each file has modules and a document of its own, and jsdom, which takes a second, is loaded once for all.
      { extends: true, test: { name: 'shared', pool: 'vmThreads', include: TESTS, exclude: REPLACING_MODULES } },
      // Of several files in one process, one's replaced modules are now and then another's too (vitest-dev/vitest#11284).
      { extends: true, test: { name: 'alone', pool: 'forks', include: REPLACING_MODULES } },
    ],
  },
});
