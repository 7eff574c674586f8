// Prints where Chromium is, unpacked from its npm package, and how it is to be started, as JSON.
import chromium from '@sparticuz/chromium';

// Nothing on the page is drawn by a graphics card, which would be a program here.
chromium.setGraphicsMode = false;
// One process for everything would end with the first page that is closed.
const args = chromium.args.filter((argument) => argument !== '--single-process');
console.log(JSON.stringify({ executable: await chromium.executablePath(), args }));
