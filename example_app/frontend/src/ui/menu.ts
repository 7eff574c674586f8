/** How menus look. One that is higher than the window, as with the text enlarged, is scrolled. */
export const MENU = 'enter max-h-(--radix-dropdown-menu-content-available-height) overflow-y-auto rounded-xl border border-line bg-raised p-1.5 shadow-xl';
