# shellcheck shell=sh
# shellcheck disable=SC2154 # what session.sh sets
# Images for the agent to look at. Loaded into a session (session.sh) when it is first needed, after those of transfers.

# rp_image FILE COUNT: the first COUNT bytes of FILE. They are read once, so that a file that is written anew
# meanwhile can't come half old and half new with a hash that fits.
rp_image() {
  rp_decode "$1"
  _rp_image=$(rp_range "$_rp_decoded" 0 "$2" | base64)
  rp_give_image
}

# rp_smaller_image FILE KIND BYTES SIDE: FILE, a KIND of image, drawn anew with at most SIDE pixels on its longer
# side and in at most BYTES, by the first means on the pod that can; as good as fits.
rp_smaller_image() {
  rp_decode "$1"
  case $2 in
  png | gif) set -- "$2" "$3" "png:$4" "jpeg:$4" "jpeg:$(($4 * 2 / 3))" "jpeg:$(($4 / 3))" ;;
  *) set -- "$2" "$3" "jpeg:$4" "jpeg:$(($4 * 2 / 3))" "jpeg:$(($4 / 3))" ;;
  esac
  _rp_kind=$1
  _rp_most=$2
  shift 2
  for _rp_means in python3 python magick convert; do
    rp_has $_rp_means || continue
    for _rp_rung; do
      _rp_image=$(rp_drawn $_rp_means "${_rp_rung%:*}" "${_rp_rung#*:}" | base64 | tr -d '\n')
      # What can't draw it once can't at all.
      [ -n "$_rp_image" ] || break
      if [ $((${#_rp_image} * 3 / 4)) -le "$_rp_most" ]; then
        rp_give_image
        return
      fi
    done
  done
  rp_say . none
}

# rp_drawn MEANS FORMAT SIDE
rp_drawn() {
  case $1 in
  python*) rp_limited "$1" -c "$_rp_program_draw" "$_rp_decoded" "$2" "$3" ;;
  *)
    # From standard input, since a name could be read as a pattern or as another format.
    _rp_geometry="$3x$3>"
    _rp_source="$_rp_kind:-[0]"
    case $2 in
    jpeg) set -- "$1" -background white -alpha remove -quality 85 jpeg:- ;;
    *) set -- "$1" png:- ;;
    esac
    _rp_drawer=$1
    shift
    rp_limited "$_rp_drawer" "$_rp_source" -auto-orient -resize "$_rp_geometry" -strip "$@" <"$_rp_decoded"
    ;;
  esac
}
rp_limited() {
  if rp_has timeout; then timeout 60 "$@"; else "$@"; fi
}

# Every line begins at the left margin, since indentation doesn't travel.
_rp_program_draw='
import sys
from PIL import Image, ImageOps
path, form, side = sys.argv[1], sys.argv[2], int(sys.argv[3])
image = ImageOps.exif_transpose(Image.open(path))
if image.mode.startswith("I"): image = image.point(lambda value: value * (1 / 256)).convert("L")
image = image.convert("RGBA")
image.thumbnail((side, side), Image.LANCZOS)
if form == "jpeg": image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
if image.getextrema()[3][0] == 255: image = image.convert("RGB")
image.save(sys.stdout.buffer, form, quality=85)
'

# rp_give_image: _rp_image, in base64, and the SHA-256 of what it stands for.
rp_give_image() {
  _rp_sum=$(printf '%s\n' "$_rp_image" | base64 -d | rp_digest)
  rp_lock
  printf '@%s %s image b\n%s\n.\n' "$_rp_nonce" "$_rp_call" "$_rp_image"
  rp_end ok "${_rp_sum%% *}"
  rp_unlock
}
