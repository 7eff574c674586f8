// uPlot makes a format of numbers for `navigator.language` when it is loaded. Where a system has no language, Chromium's is
// `en-US@posix`, which no format takes.
try {
  Intl.getCanonicalLocales(navigator.language);
} catch {
  Object.defineProperty(navigator, 'language', { value: navigator.language.split('@')[0], configurable: true });
}

export {};
