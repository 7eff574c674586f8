/** How menus look. One that is higher than the window, as with the text enlarged, is scrolled. */
export const MENU = 'enter max-h-(--radix-dropdown-menu-content-available-height) overflow-y-auto rounded-xl border border-line bg-raised p-1.5 shadow-xl';

/** How the items of menus look. The outline shows the chosen one to those who use the keyboard. */
export const MENU_ITEM = 'flex min-h-10 pointer-coarse:min-h-11 items-center gap-2.5 rounded-lg px-3 text-sm -outline-offset-2 data-highlighted:bg-highlight';
